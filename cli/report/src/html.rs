//! Self-contained HTML pages without scripts, fonts and images.

/// The style of pages and charts, light and dark.
pub const STYLE: &str = include_str!("page.css");

/// Renders a page. `body` is HTML.
pub fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

/// Escapes a text for an element or an attribute.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Renders a table in a box that scrolls on narrow screens. Headings and cells are HTML.
pub fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let row = |tag: &str, cells: Vec<String>| {
        let cells = cells.iter().map(|cell| format!("<{tag}>{cell}</{tag}>"));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let headings = headings.iter().map(|text| text.to_string()).collect();
    let rows: String = rows.into_iter().map(|cells| row("td", cells)).collect();
    let headings = row("th", headings);
    format!("<div class=\"wide\"><table>\n{headings}{rows}</table></div>\n")
}

/// Renders a text, such as a policy, that a click unfolds.
pub fn details(title: &str, text: &str) -> String {
    format!(
        "<details><summary>{}</summary>\n<pre>{}</pre></details>\n",
        escape(title),
        escape(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escape(r#"<a b="&">"#), "&lt;a b=&quot;&amp;&quot;&gt;");
    }
}
