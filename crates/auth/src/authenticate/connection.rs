//! The ways in which something is connected, by which users may be restricted.

use std::str::FromStr;

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the configuration's own words")]
pub enum ConnectionType {
    Standard,
    Websocket,
    Leafnode,
    LeafnodeWebsocket,
    Mqtt,
    MqttWebsocket,
    InProcess,
}

/// A set of ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTypes(u8);

/// A word of the configuration that is no connection type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown connection type {0:?}")]
pub struct UnknownConnectionType(pub String);

const NAMES: [(&str, ConnectionType); 7] = [
    ("STANDARD", ConnectionType::Standard),
    ("WEBSOCKET", ConnectionType::Websocket),
    ("LEAFNODE", ConnectionType::Leafnode),
    ("LEAFNODE_WS", ConnectionType::LeafnodeWebsocket),
    ("MQTT", ConnectionType::Mqtt),
    ("MQTT_WS", ConnectionType::MqttWebsocket),
    ("IN_PROCESS", ConnectionType::InProcess),
];

impl FromStr for ConnectionType {
    type Err = UnknownConnectionType;

    /// Without regard to case.
    fn from_str(name: &str) -> Result<ConnectionType, UnknownConnectionType> {
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|&(_, connection)| connection).ok_or_else(|| UnknownConnectionType(name.to_owned()))
    }
}

impl ConnectionType {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl ConnectionTypes {
    /// None of them.
    pub const NONE: ConnectionTypes = ConnectionTypes(0);
    /// Each of them.
    pub const ALL: ConnectionTypes = ConnectionTypes(0x7F);

    /// This one is in the set.
    pub const fn contains(self, connection: ConnectionType) -> bool {
        self.0 & connection.bit() != 0
    }

    /// One more.
    #[must_use]
    pub const fn with(self, connection: ConnectionType) -> ConnectionTypes {
        ConnectionTypes(self.0 | connection.bit())
    }

    /// One less.
    #[must_use]
    pub const fn without(self, connection: ConnectionType) -> ConnectionTypes {
        ConnectionTypes(self.0 & !connection.bit())
    }

    /// Some type is in both.
    pub const fn intersects(self, other: ConnectionTypes) -> bool {
        self.0 & other.0 != 0
    }

    /// No type is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<ConnectionType> for ConnectionTypes {
    fn from_iter<I: IntoIterator<Item = ConnectionType>>(connections: I) -> ConnectionTypes {
        connections.into_iter().fold(ConnectionTypes::NONE, ConnectionTypes::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_without_regard_to_case() {
        assert_eq!("mqtt_ws".parse(), Ok(ConnectionType::MqttWebsocket));
        let error = ConnectionType::from_str("carrier pigeon").unwrap_err();
        assert_eq!(error.to_string(), r#"unknown connection type "carrier pigeon""#);
    }

    #[test]
    fn all_holds_each_and_none_holds_none() {
        let each: ConnectionTypes = NAMES.iter().map(|&(_, connection)| connection).collect();
        assert_eq!(each, ConnectionTypes::ALL);
        for (_, connection) in NAMES {
            assert!(!ConnectionTypes::NONE.contains(connection));
            assert!(!each.without(connection).contains(connection));
            assert!(each.without(connection).with(connection) == each);
        }
    }
}
