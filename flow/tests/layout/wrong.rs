//! Layouts that cannot be, each with what is said about it.

use netweir_flow::quic::layout::{Field, Layout, LayoutError, Layouts, LengthRule};

#[test]
fn what_is_wrong_is_named_with_its_value() {
    for (line, expected) in [
        (
            "",
            "no preset ``: there are telementry, mvfst, nginx, quic-lb and custom",
        ),
        (
            "nginy port=1",
            "no preset `nginy`: there are telementry, mvfst, nginx, quic-lb and custom",
        ),
        ("nginx 443", "`443` is not of the form NAME=VALUE"),
        ("nginx port=1 port=2", "`port` is given twice"),
        ("nginx key=00", "nginx takes no `key`"),
        ("mvfst guard=1/1", "mvfst takes no `guard`"),
        (
            "quic-lb config=1 server-id=1 nonce=4 guard=1/1",
            "quic-lb takes no `guard`",
        ),
        ("quic-lb config=1 nonce=4", "quic-lb needs `server-id`"),
        ("custom backend=0:8", "custom needs `length`"),
        ("nginx port=0", "port = \"0\": expected a port, 1 to 65535"),
        (
            "nginx port=+1",
            "port = \"+1\": expected a port, 1 to 65535",
        ),
        (
            "nginx server=a",
            "server = \"a\": expected an address or a network such as 192.0.2.0/24",
        ),
        (
            "nginx version=0",
            "version = \"0\": expected a QUIC version such as 1 or 0x6b3343cf",
        ),
        (
            "nginx guard=0xc0",
            "guard = \"0xc0\": expected MASK/VALUE of the first byte, such as 0xc0/0x40",
        ),
        (
            "nginx guard=256/0",
            "guard = \"256/0\": expected MASK/VALUE of the first byte, such as 0xc0/0x40",
        ),
        (
            "nginx guard=0xc0/0x41",
            "guard 0xc0/0x41: the value has bits outside of the mask",
        ),
        (
            "nginx length=x",
            "length = \"x\": expected bytes such as 8, bytes at least such as 8+, or self5 or self6",
        ),
    ] {
        assert_eq!(said(line), expected, "{line}");
    }
}

#[test]
fn lengths_are_those_of_connection_ids() {
    for (line, expected) in [
        (
            "nginx length=0",
            "length 0: a connection ID has 1 to 20 bytes",
        ),
        (
            "custom length=0",
            "length 0: a connection ID has 1 to 20 bytes",
        ),
        (
            "nginx length=21+",
            "length 21: a connection ID has 1 to 20 bytes",
        ),
        (
            "nginx length=self9",
            "length in 9 bits: the first byte has 1 to 8",
        ),
        (
            "quic-lb config=1 server-id=3 nonce=4 length=7",
            "length 7: QUIC-LB writes 8 bytes here",
        ),
    ] {
        assert_eq!(said(line), expected, "{line}");
    }
}

#[test]
fn quic_lb_keeps_to_its_draft() {
    for (settings, expected) in [
        (
            "rotation=4 config=1 server-id=3 nonce=4",
            "rotation = 4: QUIC-LB has 3 rotation bits, or 2 before draft 17",
        ),
        (
            "rotation=255 config=1 server-id=3 nonce=4",
            "rotation = 255: QUIC-LB has 3 rotation bits, or 2 before draft 17",
        ),
        ("config=7 server-id=3 nonce=4", "config = 7: it is 0 to 6"),
        (
            "rotation=2 config=3 server-id=3 nonce=4",
            "config = 3: it is 0 to 2",
        ),
        (
            "config=1 server-id=0 nonce=4",
            "server-id = 0: a server ID has 1 to 15 bytes",
        ),
        (
            "config=1 server-id=255 nonce=4",
            "server-id = 255: a server ID has 1 to 15 bytes",
        ),
        (
            "config=1 server-id=1 nonce=3",
            "nonce = 3: a nonce has 4 to 18 bytes",
        ),
        (
            "config=1 server-id=10 nonce=10",
            "server-id and nonce have 20 bytes together: there is room for 19",
        ),
        (
            "config=1 server-id=9 nonce=4",
            "no field: name one, such as backend=8:16 (a server ID above 8 bytes has none itself)",
        ),
        (
            "config=1 server-id=9 nonce=4 key=0",
            "key = \"…\": expected 32 hexadecimal digits",
        ),
        (
            "config=1 server-id=9 nonce=x",
            "nonce = \"x\": expected a number",
        ),
    ] {
        assert_eq!(said(&format!("quic-lb {settings}")), expected, "{settings}");
    }
}

#[test]
fn fields_are_named_and_written_as_they_should_be() {
    const A_FIELD: &str =
        "expected OFFSET:BITS in bits, OFFSET:BITSle or a field, then >>SHIFT, then %MODULO";
    const NONE: &str =
        "no field: name one, such as backend=8:16 (a server ID above 8 bytes has none itself)";
    const A_NAME: &str =
        "field \"A\": a name is a lower-case letter, then letters, digits and `_`, 32 at most";
    assert_eq!(said_of_fields(""), NONE);
    assert_eq!(said_of_fields("A=0:1"), A_NAME);
    let nine = "a=0:1 b=a c=a d=a e=a f=a g=a h=a i=a";
    assert_eq!(said_of_fields(nine), "9 fields: there can be 8");
    for value in ["", "0:1%0", "0:8xe", "0:", ":8", "0:8>>", "0:256", "0:8%-1"] {
        let expected = format!("a = {value:?}: {A_FIELD}");
        assert_eq!(said_of_fields(&format!("a={value}")), expected);
    }
}

#[test]
fn fields_are_bits_of_every_connection_id() {
    for (fields, field, expected) in [
        ("a=0:0", "a", "0 bits, and a field has 1 to 64"),
        ("a=0:65", "a", "65 bits, and a field has 1 to 64"),
        (
            "a=57:8",
            "a",
            "it ends with bit 65, and the connection ID may have 8 bytes",
        ),
        ("a=4:8le", "a", "4:8le is not made of whole bytes"),
        ("a=8:12le", "a", "8:12le is not made of whole bytes"),
        ("a=0:8>>8", "a", "shifted by 8, nothing is left of 8 bits"),
        (
            "a=0:8>>4 b=a>>4",
            "b",
            "shifted by 8, nothing is left of 8 bits",
        ),
        ("a=b b=0:8", "a", "there is no field `b` before it"),
        (
            "a=0:8%3 b=a%2",
            "b",
            "`a` has a modulo already, and can only be taken as it is",
        ),
    ] {
        let expected = format!("field {field}: {expected}");
        assert_eq!(said_of_fields(fields), expected, "{fields}");
    }
}

#[test]
fn a_layout_that_is_no_text_is_checked_too() {
    let mut layout = Layout::custom("mine");
    layout.length = LengthRule::SelfDescribed(5);
    layout.fields = vec![Field::bits("a", 0, 8), Field::bits("a", 8, 8)];
    assert_eq!(layout.check(), Err(LayoutError::Twice("a".to_owned())));
    layout.fields.pop();
    assert_eq!(layout.check(), Ok(()));
    let many = vec![layout; 17];
    assert_eq!(
        Layouts::new(&many).err(),
        Some(LayoutError::TooManyLayouts(17))
    );
}

#[test]
fn a_key_is_never_shown() {
    let key = "8f95f09245765f80256934e50c66207f";
    let line = format!("quic-lb config=1 server-id=3 nonce=4 key={key}");
    let shown = format!("{:?}", Layout::parse(&line).unwrap());
    assert!(shown.contains("Key(..)"), "{shown}");
    assert!(!shown.contains(key) && !shown.contains("143"), "{shown}");
}

fn said(line: &str) -> String {
    let wrong = Layout::parse(line).expect_err(line);
    wrong.to_string()
}

fn said_of_fields(fields: &str) -> String {
    said(&format!("custom length=8 {fields}"))
}
