//! Field lines (RFC 9112, section 5) and Host (section 3.2).

use super::{Request, get, message};

/// More than Envoy's limit of a head, 60 KiB.
const TOO_LONG: usize = 70 * 1024;

pub(super) fn requests() -> Vec<Request> {
    let with = |name, field: &str| Request::new(name, get(&[field]));
    let only =
        |name, fields: &[&str]| Request::new(name, message("GET /{id} HTTP/1.1", fields, ""));
    let many = |count| -> Vec<String> { (0..count).map(|n| format!("x-{n}: {n}")).collect() };
    let of_many = |name, count| {
        let fields = many(count);
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        Request::new(name, get(&fields))
    };
    vec![
        only("no Host", &["x-a: 1"]),
        only("two Hosts", &["host: x", "host: y"]),
        only("an empty Host", &["host:"]),
        only("a Host that is none", &["host: a b/c"]),
        only(
            "white space before the first field",
            &[" x-a: 1", "host: x"],
        ),
        with("white space before the colon", "x-a : 1"),
        with("no colon", "x-a"),
        with("no name", ": 1"),
        with("a folded line", "x-a: 1\r\n 2"),
        with("white space around a value", "x-a:\t 1 \t"),
        with("an empty value", "x-a:"),
        with("a value in Latin-1", "x-a: \u{e4}\u{ff}"),
        with("a NUL in a value", "x-a: 1\0"),
        with("a bare CR in a value", "x-a: 1\r2"),
        with("a bare LF behind a value", "x-a: 1\nx-b: 2"),
        with("a name that is no token", "x(a): 1"),
        with("a name with an underscore", "x_a: 1"),
        with("a name in upper case", "X-A: 1"),
        Request::new(
            "a name that comes twice",
            get(&["x-a: 1", "x-b: 2", "x-a: 3"]),
        ),
        of_many("as many fields as may be", 99),
        of_many("too many fields", 120),
        with(
            "a field that is too long",
            &format!("x-a: {}", "a".repeat(TOO_LONG)),
        ),
    ]
}
