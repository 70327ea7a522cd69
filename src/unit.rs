//! Quantities as people write and read them: durations, bytes, rates.

use std::time::Duration;

/// Reads a duration: a whole number and `us`, `ms`, `s`, `m` or `h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let wrong = || format!("{text:?} is not a duration such as 500ms, 1s, 5m or 1h");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let microseconds = match unit {
        "us" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        "m" => 60 * 1_000_000,
        "h" => 3600 * 1_000_000,
        _ => return Err(wrong()),
    };
    let microseconds = number.checked_mul(microseconds).ok_or_else(wrong)?;
    Ok(Duration::from_micros(microseconds))
}

/// Reads a number of bytes: a whole number, alone or with `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let wrong = || format!("{text:?} is not a number of bytes such as 4096, 100kB, 10MB or 1GiB");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let bytes = match unit {
        "" => 1,
        "kB" => 1000,
        "MB" => 1000 * 1000,
        "GB" => 1000 * 1000 * 1000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(bytes)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(wrong)
}

/// The digits that a text begins with, and what is behind them.
fn split_unit(text: &str) -> (&str, &str) {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    text.split_at(text.len() - unit.len())
}

/// So many things, whose name has the plural in `s`: `1 frame`, `2 frames`.
pub(crate) fn things(count: impl Into<u64>, name: &str) -> String {
    match count.into() {
        1 => format!("1 {name}"),
        count => format!("{count} {name}s"),
    }
}

/// Bytes in binary units, with three significant digits: `1.50 MiB`.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        // What would be shown as 1024 belongs to the next unit.
        if value < 1023.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", three_digits(value))
}

/// Bits in a second in decimal units, as links are sold: `12.5 Mbit/s`.
pub(crate) fn bits_per_second(rate: f64) -> String {
    const UNITS: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
    let mut value = rate.max(0.0);
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == UNITS[0] {
        format!("{value:.0} {unit}")
    } else {
        format!("{} {unit}", three_digits(value))
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_in_both_kinds_of_units() {
        let read = ["1", "100kB", "10MB", "2GB", "3KiB", "1MiB", "1GiB"].map(parse_bytes);
        let expected = [
            1,
            100_000,
            10_000_000,
            2_000_000_000,
            3072,
            1 << 20,
            1 << 30,
        ];
        assert_eq!(read, expected.map(Ok));
        for text in [
            "",
            "kB",
            "0",
            "0MB",
            "1 kB",
            "1kb",
            "-1",
            "1.5MB",
            "18446744073709551615kB",
        ] {
            let error = parse_bytes(text).expect_err(text);
            assert!(error.starts_with(&format!("{text:?} is not")), "{error}");
        }
    }

    #[test]
    fn bytes_are_binary() {
        let shown: Vec<String> = [0, 1023, 1024, 1536, 10_240, 1_048_575, 1_048_576, u64::MAX]
            .map(bytes)
            .to_vec();
        let expected = [
            "0 B", "1023 B", "1.00 KiB", "1.50 KiB", "10.0 KiB", "1.00 MiB", "1.00 MiB", "16.0 EiB",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn one_thing_is_no_plural() {
        let shown = [0_u64, 1, 2].map(|count| things(count, "frame"));
        assert_eq!(shown, ["0 frames", "1 frame", "2 frames"]);
    }

    #[test]
    fn bits_are_decimal() {
        let shown: Vec<String> = [
            0.0,
            999.0,
            999.6,
            1000.0,
            12_500_000.0,
            1e15,
            -1.0,
            f64::NAN,
        ]
        .map(bits_per_second)
        .to_vec();
        let expected = [
            "0 bit/s",
            "999 bit/s",
            "1.00 kbit/s",
            "1.00 kbit/s",
            "12.5 Mbit/s",
            "1000 Tbit/s",
            "0 bit/s",
            "0 bit/s",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("50us"), Ok(Duration::from_micros(50)));
        for wrong in [
            "",
            "1",
            "s",
            "1d",
            "-1s",
            "1.5s",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
