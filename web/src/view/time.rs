//! Moments and spans as JSON has them.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::{borrow::Cow, fmt};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{KnownFormat, SchemaFormat, Type},
    },
};

/// A moment, written in UTC with milliseconds (RFC 3339): `2026-01-31T23:59:59.999Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Nanoseconds since 1970.
    pub unix_ns: u64,
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 64 bits of nanoseconds end in the year 2554, long before the type does.
        let moment = Timestamp::from_nanosecond(self.unix_ns.into()).unwrap_or(Timestamp::MAX);
        write!(f, "{moment:.3}")
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("A moment in UTC with milliseconds (RFC 3339)"))
            .into()
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

/// Nanoseconds as seconds.
pub(super) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::Time;

    #[test]
    fn milliseconds_are_cut_not_rounded() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (999_999, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (1_769_903_999_999_999_999, "2026-01-31T23:59:59.999Z"),
            (u64::MAX, "2554-07-21T23:34:33.709Z"),
        ];
        for (unix_ns, expected) in cases {
            assert_eq!(Time { unix_ns }.to_string(), expected);
        }
    }
}
