//! Files of rules: no text makes the reader panic, and what it understood it writes so that it understands
//! the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netweir::rules::rewritten;

fuzz_target!(|text: &str| {
    let Ok((exported, kept)) = rewritten(text) else {
        return;
    };
    let (again, _) = rewritten(&exported).expect("what was exported is read");
    assert_eq!(again, exported);
    if let Some(kept) = kept {
        let (_, again) = rewritten(&kept).expect("what was kept is read");
        assert_eq!(again.as_ref(), Some(&kept));
    }
});
