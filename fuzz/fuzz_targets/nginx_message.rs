//! Lines of nginx's error log, which quote what a stranger sent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slipway::container::nginx_message;

fuzz_target!(|line: &str| {
    let (level, message) = nginx_message(line);
    assert!(line.contains(message), "nothing is made up: {message}");
    let is_nginx = level.as_str() != "WARN" || line.contains("[warn] ");
    assert!(!is_nginx || !message.contains(", server: "), "what quotes the request is left out: {message}");
});
