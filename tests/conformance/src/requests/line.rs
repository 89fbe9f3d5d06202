//! Request lines (RFC 9112, section 3): methods, targets and versions.

use super::{Request, get, message};

const LONG: usize = 16 * 1024;
/// More than Envoy's limit of a head, 60 KiB.
const TOO_LONG: usize = 70 * 1024;

pub(super) fn requests() -> Vec<Request> {
    let of_line = |name, line: &str| Request::new(name, message(line, &["host: x"], ""));
    let target = |length| format!("GET /{{id}}/{} HTTP/1.1", "a".repeat(length));
    vec![
        Request::new("a GET", get(&[])),
        of_line("a HEAD", "HEAD /{id} HTTP/1.1"),
        of_line("a DELETE", "DELETE /{id} HTTP/1.1"),
        of_line("a TRACE", "TRACE /{id} HTTP/1.1"),
        of_line("a method in lower case", "get /{id} HTTP/1.1"),
        of_line("a method of one's own", "M-SEARCH /{id} HTTP/1.1"),
        of_line("a method that is no token", "G@T /{id} HTTP/1.1"),
        Request::new(
            "the target *",
            message("OPTIONS * HTTP/1.1", &["host: {id}"], ""),
        ),
        of_line("an absolute target", "GET http://other/{id} HTTP/1.1"),
        of_line("a CONNECT", "CONNECT {id}:443 HTTP/1.1"),
        of_line("a target without a slash", "GET {id} HTTP/1.1"),
        of_line("a target with a fragment", "GET /{id}#part HTTP/1.1"),
        of_line("a target with a space", "GET /{id} b HTTP/1.1"),
        of_line(
            "dots in the target",
            "GET /{id}/a/../%2e%2e//b%2fc HTTP/1.1",
        ),
        of_line("a target in Latin-1", "GET /{id}/\u{e4} HTTP/1.1"),
        of_line("a NUL in the target", "GET /{id}/\0 HTTP/1.1"),
        of_line("a bare CR in the target", "GET /{id}/\r HTTP/1.1"),
        of_line("a query", "GET /{id}?a=b&c=/../d HTTP/1.1"),
        of_line("a long target", &target(LONG)),
        of_line("a target that is too long", &target(TOO_LONG)),
        of_line("no version", "GET /{id}"),
        of_line("HTTP/1.0", "GET /{id} HTTP/1.0"),
        Request::new(
            "HTTP/1.0 kept alive",
            message(
                "GET /{id} HTTP/1.0",
                &["host: x", "connection: keep-alive"],
                "",
            ),
        ),
        of_line("HTTP/1.2", "GET /{id} HTTP/1.2"),
        of_line("HTTP/2.0", "GET /{id} HTTP/2.0"),
        of_line("a version in lower case", "GET /{id} http/1.1"),
        of_line("two spaces", "GET  /{id} HTTP/1.1"),
        of_line("a tab instead of a space", "GET\t/{id} HTTP/1.1"),
        of_line("a space behind the version", "GET /{id} HTTP/1.1 "),
        of_line("a space before the method", " GET /{id} HTTP/1.1"),
        of_line("an empty line before it", "\r\nGET /{id} HTTP/1.1"),
        Request::new("bare LFs", "GET /{id} HTTP/1.1\nhost: x\n\n"),
        Request::new("what TLS begins with", "\u{16}\u{3}\u{1}\0{id}\r\n\r\n"),
    ]
}
