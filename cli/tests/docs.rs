//! The documentation can be followed: links lead to files and headings, commands parse.

#[path = "support/pages.rs"]
mod pages;

use std::collections::BTreeSet;
use std::fs;

use pages::{pages, root};

/// The lines of a page outside its blocks of code, and those inside blocks of `language`.
fn split<'a>(page: &'a str, language: &str) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut prose, mut code) = (Vec::new(), Vec::new());
    let mut block: Option<&str> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(opened), None) => block = Some(opened),
            (Some(_), Some(_)) => block = None,
            (None, None) => prose.push(line),
            (None, Some(opened)) if opened == language => code.push(line),
            (None, Some(_)) => {}
        }
    }
    (prose, code)
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// The anchors that GitHub gives a page's headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let (prose, _) = split(page, "");
    let headings = prose
        .iter()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    let named = page
        .split("<a id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next().map(str::to_owned));
    headings.map(slug).chain(named).collect()
}

#[test]
fn links_lead_to_files_and_headings() {
    let mut broken = Vec::new();
    let mut followed = 0;
    for (path, page) in pages() {
        let (prose, _) = split(&page, "");
        for link in prose.iter().flat_map(|line| links(line)) {
            if link.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                path.clone()
            } else {
                path.parent().unwrap().join(file)
            };
            let leads = target.exists()
                && (anchor.is_empty()
                    || fs::read_to_string(&target)
                        .is_ok_and(|text| anchors(&text).contains(anchor)));
            if !leads {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(followed > 50, "only {followed} links");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The words of each command in a line of shell that calls `evenkeel`.
fn commands(line: &str) -> Vec<Vec<String>> {
    let words = shlex::split(line.trim_start_matches("$ ")).unwrap_or_default();
    let ends = |word: &String| {
        matches!(word.as_str(), "|" | "&&" | ";" | "&" | ">" | "<") || word.starts_with("2>")
    };
    words
        .split(ends)
        .filter(|command| command.first().is_some_and(|word| word == "evenkeel"))
        .map(<[String]>::to_vec)
        .collect()
}

/// Whether the words only name a command in a sentence.
fn is_name(words: &[String]) -> bool {
    let all = evenkeel_cli::commands();
    let mut command = &all;
    words
        .iter()
        .skip(1)
        .all(|word| match command.find_subcommand(word) {
            Some(found) => {
                command = found;
                true
            }
            None => false,
        })
}

/// Lines that end in a backslash, joined.
fn join_continued_lines(lines: &[&str]) -> Vec<String> {
    let text = lines.join("\n").replace("\\\n", " ");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn evenkeel_commands_in_pages_parse() {
    let mut wrong = Vec::new();
    let mut tried = 0;
    for (path, page) in pages() {
        let (prose, code) = split(&page, "sh");
        let inline: Vec<&str> = prose
            .iter()
            .flat_map(|line| line.split('`').skip(1).step_by(2))
            .filter(|code| code.starts_with("evenkeel "))
            .collect();
        let shell = join_continued_lines(&code);
        let lines = shell.iter().map(String::as_str).chain(inline);
        for command in lines.flat_map(commands) {
            tried += 1;
            if is_name(&command) {
                continue;
            }
            let parsed = evenkeel_cli::commands().try_get_matches_from(&command);
            if let Err(error) = parsed
                && error.use_stderr()
            {
                wrong.push(format!("{}: {command:?}\n{error}", path.display()));
            }
        }
    }
    assert!(tried > 10, "only {tried} commands");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn contents_list_every_page() {
    let contents = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(contents.contains(&format!("]({name})")), "{name}");
        }
    }
}
