//! Rules: what they match, which of several decides, and that what is compiled decides as the rules do.

mod decision;
mod property;
mod question;
mod text;
