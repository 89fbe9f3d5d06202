//! Findings as text, in the format of compilers.

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
    normalize_untrusted_str,
};

use super::{Finding, Severity, Source, Span};

/// Renders a finding as several lines, without a newline at the end.
pub fn render(source: &Source, finding: &Finding, colors: bool) -> String {
    let mut report = vec![main(source, finding)];
    if let Some(fix) = &finding.fix {
        let patch = Patch::new(fix.span.clone(), fix.text.as_str());
        let title = Level::HELP.secondary_title("write");
        report.push(title.element(snippet(source).patch(patch)));
    }
    let renderer = if colors {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&report)
}

fn main<'a>(source: &'a Source, finding: &'a Finding) -> Group<'a> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(finding.message.as_str());
    let title = Group::with_title(title.id(finding.code));
    let group = match &finding.span {
        Some(span) => title.element(snippet(source).annotations(annotations(span, finding))),
        None => title.element(Origin::path(source.name())),
    };
    let message = |level: Level<'a>, text: &str| level.message(normalize_untrusted_str(text));
    group
        .elements(finding.notes.iter().map(|note| message(Level::NOTE, note)))
        .elements(finding.help.iter().map(|help| message(Level::HELP, help)))
}

fn annotations<'a>(span: &Span, finding: &'a Finding) -> Vec<Annotation<'a>> {
    let marks = finding.related.iter().map(|mark| {
        AnnotationKind::Context
            .span(mark.span.clone())
            .label(mark.label.as_str())
    });
    let primary = AnnotationKind::Primary.span(span.clone());
    std::iter::once(primary).chain(marks).collect()
}

fn snippet<'a, T: Clone>(source: &'a Source) -> Snippet<'a, T> {
    Snippet::source(source.text()).path(source.name())
}
