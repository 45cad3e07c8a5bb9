//! Makes the messages and the client from the contract in its compiled form, so that no protoc is needed.
use prost::Message;

const CONTRACT: &str = "../../gen/descriptors/consensus.binpb";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={CONTRACT}");
    let contract = prost_types::FileDescriptorSet::decode(&*std::fs::read(CONTRACT)?)?;
    tonic_prost_build::configure().build_server(false).compile_fds(contract)?;
    Ok(())
}
