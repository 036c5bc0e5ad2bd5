//! Lines of nginx's error log, which quote what a stranger sent.

#![no_main]

use libfuzzer_sys::fuzz_target;
use slipway::container::nginx_message;

fuzz_target!(|line: &str| {
    let (_, message) = nginx_message(line);
    assert!(line.contains(message), "nothing is made up: {message}");
    assert!(!message.contains(", server: "), "what quotes the request is left out: {message}");
});
