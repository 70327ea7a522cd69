//! Ring 3.
use netweir_agent::attach::*;
use aya::programs::*;
use netweir_wire::name;
#[test]
fn programs_load() {
    let mut object = Object::load(&Purpose::Interfaces { netns: 7 }, MapSizes { flows: 1024, interfaces: 64 }).unwrap();
    for n in [name::XDP, name::XDP_LINEAR, name::EMPTY_XDP] {
        let p: &mut Xdp = object.program(n, Xdp::load).unwrap_or_else(|e| panic!("{n}: {e:?}"));
        println!("{n}: {:?}", p.info().unwrap().verified_instruction_count());
    }
    for n in [name::TC_INGRESS, name::TC_EGRESS, name::TC_INGRESS_IP, name::TC_EGRESS_IP, name::EMPTY_TC] {
        let p: &mut SchedClassifier = object.program(n, SchedClassifier::load).unwrap_or_else(|e| panic!("{n}: {e:?}"));
        println!("{n}: {:?}", p.info().unwrap().verified_instruction_count());
    }
    let mut object = Object::load(&Purpose::Tracepoints { any: true }, MapSizes { flows: 1024, interfaces: 64 }).unwrap();
    for n in [name::TRACE_RECEIVE_LINEAR, name::TRACE_TRANSMIT_LINEAR] {
        let p: &mut RawTracePoint = object.program(n, RawTracePoint::load).unwrap_or_else(|e| panic!("{n}: {e:?}"));
        println!("{n}: {:?}", p.info().unwrap().verified_instruction_count());
    }
    let btf = aya::Btf::from_sys_fs().unwrap();
    for (n,t) in [(name::TRACE_RECEIVE,"netif_receive_skb"), (name::TRACE_TRANSMIT,"net_dev_queue")] {
        let p: &mut BtfTracePoint = object.program(n, |p: &mut BtfTracePoint| p.load(t, &btf)).unwrap_or_else(|e| panic!("{n}: {e:?}"));
        println!("{n}: {:?}", p.info().unwrap().verified_instruction_count());
    }
}
