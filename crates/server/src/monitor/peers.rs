//! Documents about what this server has none of: routes, gateways, leaf nodes and streams, in nats-server's empty form.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{clock, state::State};

/// `/routez`
#[derive(Debug, Serialize)]
pub(crate) struct Routez {
    server_id: Box<str>,
    server_name: String,
    now: String,
    num_routes: usize,
    routes: [(); 0],
}

/// `/gatewayz`
#[derive(Debug, Serialize)]
pub(crate) struct Gatewayz {
    server_id: Box<str>,
    now: String,
    outbound_gateways: BTreeMap<String, ()>,
    inbound_gateways: BTreeMap<String, ()>,
}

/// `/leafz`
#[derive(Debug, Serialize)]
pub(crate) struct Leafz {
    server_id: Box<str>,
    now: String,
    leafnodes: usize,
    leafs: [(); 0],
}

/// `/jsz`
#[derive(Debug, Serialize)]
pub(crate) struct Jsz {
    memory: u64,
    storage: u64,
    reserved_memory: u64,
    reserved_storage: u64,
    accounts: usize,
    ha_assets: usize,
    api: Api,
    server_id: Box<str>,
    now: String,
    disabled: bool,
    config: JszConfig,
    streams: usize,
    consumers: usize,
    messages: u64,
    bytes: u64,
    total: usize,
}

#[derive(Debug, Default, Serialize)]
struct Api {
    level: u64,
    total: u64,
    errors: u64,
}

#[derive(Debug, Default, Serialize)]
struct JszConfig {
    max_memory: i64,
    max_storage: i64,
}

pub(crate) fn routez(state: &State) -> Routez {
    Routez {
        server_id: state.keys.id.clone(),
        server_name: state.server_name(),
        now: clock::timestamp().to_string(),
        num_routes: 0,
        routes: [],
    }
}

pub(crate) fn gatewayz(state: &State) -> Gatewayz {
    Gatewayz {
        server_id: state.keys.id.clone(),
        now: clock::timestamp().to_string(),
        outbound_gateways: BTreeMap::new(),
        inbound_gateways: BTreeMap::new(),
    }
}

pub(crate) fn leafz(state: &State) -> Leafz {
    Leafz { server_id: state.keys.id.clone(), now: clock::timestamp().to_string(), leafnodes: 0, leafs: [] }
}

pub(crate) fn jsz(state: &State) -> Jsz {
    Jsz {
        memory: 0,
        storage: 0,
        reserved_memory: 0,
        reserved_storage: 0,
        accounts: 0,
        ha_assets: 0,
        api: Api::default(),
        server_id: state.keys.id.clone(),
        now: clock::timestamp().to_string(),
        disabled: true,
        config: JszConfig::default(),
        streams: 0,
        consumers: 0,
        messages: 0,
        bytes: 0,
        total: 0,
    }
}
