//! SCTP, and DCCP, whose ports stand in the same place.

use netweir_wire::{
    map::Class,
    packet::{Problem, protocol},
};

use super::case;
use crate::{
    Case, Expected,
    frame::{cut, dccp, ethernet_ipv4, ethernet_ipv6, ipv4, ipv6, sctp},
};

const SCTP: u8 = protocol::SCTP;
const DCCP: u8 = protocol::DCCP;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let over_ipv4 = ethernet_ipv4(ipv4(SCTP).carrying(sctp(2905, 36412)));
    let read = Expected::ipv4()
        .ports(SCTP, 2905, 36412)
        .transport(Class::Sctp);
    let truncated = read.payload(34).problem(Problem::TransportTruncated);
    let request = ethernet_ipv4(ipv4(DCCP).carrying(dccp(5001, 5002)));
    let requested = Expected::ipv4().ports(DCCP, 5001, 5002);
    vec![
        case("sctp_init", over_ipv4.clone(), read.payload(46)),
        case(
            "sctp_header_only",
            cut(over_ipv4.clone(), 46),
            read.payload(46),
        ),
        case("sctp_cut_11", cut(over_ipv4.clone(), 45), truncated),
        case("sctp_cut_4", cut(over_ipv4.clone(), 38), truncated),
        case(
            "sctp_cut_2",
            cut(over_ipv4, 36),
            truncated.ports(SCTP, 0, 0).transport(Class::Sctp),
        ),
        case(
            "ipv6_sctp_init",
            ethernet_ipv6(ipv6(SCTP).carrying(sctp(2905, 36412))),
            Expected::ipv6()
                .ports(SCTP, 2905, 36412)
                .transport(Class::Sctp)
                .payload(66),
        ),
        case("dccp_request", request.clone(), requested.payload(46)),
        case(
            "dccp_cut_11",
            cut(request, 45),
            requested.payload(34).problem(Problem::TransportTruncated),
        ),
        case(
            "ipv6_dccp_request",
            ethernet_ipv6(ipv6(DCCP).carrying(dccp(5001, 5002))),
            Expected::ipv6().ports(DCCP, 5001, 5002).payload(66),
        ),
    ]
}
