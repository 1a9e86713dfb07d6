//! Servers that carry an asset together: where it is placed, who leads, and what operators ask of the whole.

use crate::{
    json::{is_default, object},
    stream::Retention,
    time::{Nanos, Time},
};

object! {
    /// On which servers an asset is placed.
    pub struct Placement: "server.Placement" {
        /// In this cluster.
        #[serde(skip_serializing_if = "is_default")]
        pub cluster: String,
        /// On servers with these tags, and without those after `!`.
        #[serde(skip_serializing_if = "is_default")]
        pub tags: Vec<String>,
        /// The leader to be; only when a leader steps down.
        #[serde(skip_serializing_if = "is_default")]
        pub preferred: String,
    }
}

object! {
    /// Who carries an asset.
    pub struct ClusterInfo: "server.ClusterInfo" {
        /// Name of the cluster.
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        /// Name of the group that agrees on the asset.
        #[serde(skip_serializing_if = "is_default")]
        pub raft_group: String,
        /// Name of the server that leads it.
        #[serde(skip_serializing_if = "is_default")]
        pub leader: String,
        /// Since when.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub leader_since: Option<Time>,
        /// Servers speak of it in the system account.
        #[serde(skip_serializing_if = "is_default")]
        pub system_account: bool,
        /// The account in which servers speak of it.
        #[serde(skip_serializing_if = "is_default")]
        pub traffic_account: String,
        /// The others that carry it.
        #[serde(skip_serializing_if = "is_default")]
        pub replicas: Vec<PeerInfo>,
        /// Where a change that is under way leads.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub desired: Option<DesiredCluster>,
    }
}

object! {
    /// A server that carries an asset beside its leader.
    pub struct PeerInfo: "*server.PeerInfo" {
        /// Its name.
        pub name: String,
        /// It has all that the leader has.
        pub current: bool,
        /// It was not seen lately.
        #[serde(skip_serializing_if = "is_default")]
        pub offline: bool,
        /// How long ago it was heard of.
        pub active: Nanos,
        /// How many operations it is behind.
        #[serde(skip_serializing_if = "is_default")]
        pub lag: u64,
        /// Its id.
        pub peer: String,
        /// It is assigned, and no member yet.
        #[serde(skip_serializing_if = "is_default")]
        pub pending: bool,
    }
}

object! {
    /// Where a change that is under way leads.
    pub struct DesiredCluster: "server.DesiredClusterInfo" {
        /// When it was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub created: Option<Time>,
        /// Name of the cluster.
        #[serde(skip_serializing_if = "is_default")]
        pub name: String,
        /// Who will carry it.
        #[serde(skip_serializing_if = "is_default")]
        pub replicas: Vec<PeerInfo>,
        /// What it was before.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub origin: Option<DesiredOrigin>,
        /// How far it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub status: Option<DesiredStatus>,
    }
}

object! {
    /// What an asset was before a change.
    pub struct DesiredOrigin: "server.DesiredClusterInfoOrigin" {
        /// Number of servers.
        pub replicas: isize,
        /// Placement.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub placement: Option<Placement>,
        /// The retention that holds until the change is done.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub retention: Option<Retention>,
    }
}

object! {
    /// How far a change is.
    pub struct DesiredStatus: "server.DesiredClusterInfoStatus" {
        /// For people.
        pub description: String,
        /// What it waits for: meta, membership, snapshot, catchup, quorum, blocked or unavailable.
        pub r#type: String,
        /// What went wrong.
        #[serde(skip_serializing_if = "is_default")]
        pub err: String,
    }
}

object! {
    /// The leader of a group is asked to step down.
    pub struct StepDownRequest: "server.JSApiLeaderStepdownRequest" {
        /// Who shall follow.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub placement: Option<Placement>,
    }
}

object! {
    /// A server is taken from an asset, or emptied of it first.
    pub struct PeerRequest: "server.JSApiStreamRemovePeerRequest" {
        /// Its name or id.
        pub peer: String,
    }
}

object! {
    /// A server is taken from the cluster, or emptied first.
    pub struct ServerRequest: "server.JSApiMetaServerRemoveRequest" {
        /// Its name.
        pub peer: String,
        /// Its id, which goes before the name.
        #[serde(skip_serializing_if = "is_default")]
        pub peer_id: String,
    }
}

object! {
    /// The rest of a cluster that lost most of its servers is asked to go on alone.
    pub struct RescueRequest: "server.JSApiMetaRescueRequest" {
        /// How many servers shall be enough.
        pub quorum_needed: isize,
    }
}

object! {
    /// A stream is moved away.
    pub struct MoveRequest: "server.JSApiMetaServerStreamMoveRequest" {
        /// From this server.
        #[serde(skip_serializing_if = "is_default")]
        pub server: String,
        /// In this cluster.
        #[serde(skip_serializing_if = "is_default")]
        pub cluster: String,
        /// In this domain.
        #[serde(skip_serializing_if = "is_default")]
        pub domain: String,
        /// To servers with these tags.
        #[serde(skip_serializing_if = "is_default")]
        pub tags: Vec<String>,
    }
}
