//! Captures built by code in every variant, read back whole, cut, damaged and made of noise.

mod build;
mod compression;
mod damage;
mod pcap;
mod pcapng;
mod write;
