//! Filter expressions: no text makes the reader panic, and what it understood it writes down so that
//! it understands the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir_flow::Filter;

fuzz_target!(|text: &str| {
    if let Ok(filter) = Filter::parse(text) {
        let written = filter.to_string();
        assert_eq!(Filter::parse(&written).as_ref(), Ok(&filter), "{written}");
    }
});
