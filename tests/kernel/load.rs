//! Loading: the verifier takes every program, and the agent no object of another number.

use aya::{
    Btf,
    programs::{BtfTracePoint, ProgramError, RawTracePoint, SchedClassifier, Xdp},
};
use netweir_agent::{
    Error,
    attach::{MapSizes, Object, Purpose, Variant},
};
use netweir_tests::{Feature, is_guest, is_root};
use netweir_wire::{name, stand_in, version};

const SIZES: MapSizes = MapSizes {
    cache: 16_384,
    flows: 16,
    ring: 4096,
    quic: 4096,
    interfaces: 4,
};

/// Instructions that the verifier may go through for one program: less than half of what it would do
/// before it gives up.
const MOST_VERIFIED: u32 = 450_000;

/// Programs with all that a person can ask for.
const VARIANT: Variant = Variant {
    filters: true,
    sampling: 10,
    layouts: true,
    heads_per_second: 0,
};

/// Loads a program and prints how much work the verifier had with it.
macro_rules! load {
    ($object:expr, $type:ty, $name:expr, $load:expr) => {{
        let program: &mut $type = $object.program($name, $load).unwrap();
        // The kernel tells the number since Linux 5.16.
        let verified = program.info().unwrap().verified_instruction_count();
        println!("{:16} {verified:?} instructions verified", $name);
        assert!(verified.is_none_or(|number| number < MOST_VERIFIED));
    }};
}

#[test]
fn the_verifier_takes_every_program() {
    if !is_root() {
        return;
    }
    let layouts = Variant {
        layouts: true,
        ..Variant::default()
    };
    // What is translated takes long; other tests load what is usual.
    let usual = if is_guest() {
        vec![]
    } else {
        vec![Variant::default(), layouts]
    };
    for variant in usual.into_iter().chain([VARIANT]) {
        println!("{variant:?}");
        takes_every_program(variant);
    }
}

fn takes_every_program(variant: Variant) {
    let load = |purpose| Object::load_variant(&purpose, SIZES, variant).unwrap();
    let mut object = load(Purpose::Interfaces { netns: 7 });
    for name in [name::XDP, name::XDP_ASKING, name::XDP_LINEAR] {
        let there = match name {
            name::XDP => Feature::KernelContext.is_there(),
            name::XDP_ASKING => Feature::XdpFrags.is_there(),
            _ => true,
        };
        if !there {
            continue;
        }
        load!(object, Xdp, name, Xdp::load);
    }
    let classifiers = [
        name::TC_INGRESS,
        name::TC_EGRESS,
        name::TC_INGRESS_IP,
        name::TC_EGRESS_IP,
    ];
    for name in classifiers {
        load!(object, SchedClassifier, name, SchedClassifier::load);
    }
    let mut object = load(Purpose::Tracepoints { any: true });
    for name in [name::TRACE_RECEIVE_LINEAR, name::TRACE_TRANSMIT_LINEAR] {
        load!(object, RawTracePoint, name, RawTracePoint::load);
    }
    if !Feature::TracedPages.is_there() {
        return;
    }
    let types = Btf::from_sys_fs().unwrap();
    let paged = [
        (name::TRACE_RECEIVE, "netif_receive_skb"),
        (name::TRACE_TRANSMIT, "net_dev_queue"),
    ];
    for (name, tracepoint) in paged {
        let load = |program: &mut BtfTracePoint| -> Result<(), ProgramError> {
            program.load(tracepoint, &types)
        };
        load!(object, BtfTracePoint, name, load);
    }
}

#[test]
fn an_object_of_another_number_is_refused() {
    if !is_root() {
        return;
    }
    let mut object = include_bytes!("../../kernel/netweir.bpf.o").to_vec();
    let symbol = format!("ABI_{}\0", version::ABI);
    let mut windows = object.windows(symbol.len());
    let place = windows
        .position(|window| window == symbol.as_bytes())
        .unwrap();
    object[place + "ABI_".len()] = b'0';
    is_refused(&object);
}

/// What it would take for a setting is a number that stands for one.
#[test]
fn an_object_with_a_setting_that_nobody_knows_is_refused() {
    if !is_root() {
        return;
    }
    let mut object = include_bytes!("../../kernel/netweir.bpf.o").to_vec();
    let sampling = (stand_in::SAMPLING as u32).to_le_bytes();
    let mut renamed = 0;
    // Both halves of a number are the same.
    for half in object.as_chunks_mut().0 {
        if *half == sampling {
            half[0] = !half[0];
            renamed += 1;
        }
    }
    assert_ne!(renamed, 0);
    is_refused(&object);
}

fn is_refused(object: &[u8]) {
    let purpose = Purpose::Interfaces { netns: 7 };
    let Err(error) = Object::load_from(object, &purpose, SIZES, Variant::default()) else {
        panic!("it was taken");
    };
    assert!(
        matches!(
            error,
            Error::Abi {
                wanted: version::ABI
            }
        ),
        "{error:?}"
    );
}
