//! `firn account info`: who we are to the server, and what our account may use of JetStream.

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::{Request, ServerInfo};
use clap::{Args, Subcommand};
use firn_api::account::{AccountInfo, Tier};
use firn_api::envelope::AccountDescribed;
use firn_api::subject::Operation;
use serde_json::{Value, json};

use crate::connection::ConnectionArgs;
use crate::duration;
use crate::jetstream::{self, JetStream};
use crate::show;
use crate::table::{Sheet, yes};

use super::stream::sheet::limit;

/// Where a server says whom it takes a client for. Servers that do not answer are not waited for.
const USER: &str = "$SYS.REQ.USER.INFO";
const USER_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Show who we are, and what the account uses and may use
    Info(InfoArgs),
}

#[derive(Args, Debug)]
pub(crate) struct InfoArgs {
    /// Show what the server says as JSON
    #[arg(short, long)]
    json: bool,
}

/// # Errors
/// The server does not answer. An account without JetStream is no error.
pub(crate) async fn run(command: &AccountCommand, connection: &ConnectionArgs) -> Result<()> {
    let AccountCommand::Info(args) = command;
    let rtt = {
        let mut connected = connection.connect().await?;
        let rtt = connected.sync().await?;
        connected.close().await?;
        rtt
    };
    jetstream::session(connection, async |jetstream| {
        let server = jetstream.client.server_info();
        let user = user(jetstream).await;
        let account = jetstream.ask::<AccountDescribed>(Operation::AccountInfo {}, Vec::new()).await;
        if args.json {
            let account = match account {
                Ok(answer) => Value::Object(answer.raw),
                Err(error) => json!({ "error": show::causes(&error) }),
            };
            return show::json(&json!({
                "user": user,
                "client_id": server.client_id,
                "client_ip": server.client_ip,
                "rtt_ns": u64::try_from(rtt.as_nanos())?,
                "server_id": server.server_id,
                "server_name": server.server_name,
                "version": server.version,
                "max_payload": server.max_payload,
                "jetstream": account,
            }));
        }
        let mut sheet = Sheet::new("Account Information");
        connected(&server, user.as_ref(), rtt, &mut sheet);
        sheet.section("JetStream");
        match account {
            Ok(answer) => used(&answer.body.info.context("the answer holds no account")?, &mut sheet),
            Err(error) => sheet.value("Not available", show::causes(&error)),
        }
        Ok(show::line(sheet)?)
    })
    .await
}

/// What the server says of the user, if it says anything.
async fn user(jetstream: &JetStream) -> Option<Value> {
    let request = Request::new().timeout(Some(jetstream.timeout.min(USER_WAIT)));
    let answer = jetstream.client.send_request(USER, request).await.ok()?;
    let mut answer: Value = serde_json::from_slice(&answer.payload).ok()?;
    Some(answer.get_mut("data")?.take())
}

fn connected(server: &ServerInfo, user: Option<&Value>, rtt: Duration, sheet: &mut Sheet) {
    let said = |member: &str| user.and_then(|user| user.get(member)).and_then(Value::as_str).unwrap_or_default();
    sheet.text("User", said("user"));
    sheet.text("Account", said("account"));
    sheet.value("Client ID", server.client_id);
    sheet.text("Client IP", &server.client_ip);
    sheet.value("RTT", duration::show(rtt));
    sheet.value("Headers Supported", yes(server.headers));
    sheet.value("Maximum Payload", show::size(u64::try_from(server.max_payload).unwrap_or(u64::MAX)));
    sheet.text("Connected Cluster", server.cluster.as_deref().unwrap_or_default());
    sheet.value("Connected Server ID", &server.server_id);
    sheet.value("Connected Server Version", &server.version);
    sheet.value_if(server.server_name != server.server_id, "Connected Server Name", &server.server_name);
    sheet.value("TLS", if server.tls_required { "required" } else { "not required" });
    for (member, name) in [("publish", "Publish"), ("subscribe", "Subscribe")] {
        for rule in ["allow", "deny"] {
            let subjects = user.and_then(|user| user.get("permissions")?.get(member)?.get(rule)?.as_array());
            let subjects: Vec<&str> = subjects.into_iter().flatten().filter_map(Value::as_str).collect();
            sheet.text(&format!("{name} {rule}"), &subjects.join(", "));
        }
    }
}

fn used(account: &AccountInfo, sheet: &mut Sheet) {
    sheet.text("Domain", &account.domain);
    sheet.value("API Level", account.api.level);
    sheet.value("API Requests", show::count(account.api.total));
    sheet.value("API Errors", show::count(account.api.errors));
    if account.tiers.is_empty() {
        tier(&account.total, sheet);
    }
    for (name, used) in &account.tiers {
        sheet.value("Tier", name);
        tier(used, sheet);
    }
}

fn tier(tier: &Tier, sheet: &mut Sheet) {
    let limits = &tier.limits;
    let size = |used: u64, most: i64| format!("{} of {}", show::size(used), limit_or_none(most, show::size));
    let count = |used: isize, most: isize| {
        format!("{used} of {}", limit_or_none(i64::try_from(most).unwrap_or(-1), show::count))
    };
    sheet.value("Storage", size(tier.storage, limits.max_storage));
    sheet.value("Storage Reserved", show::size(tier.reserved_storage));
    sheet.value("Memory", size(tier.memory, limits.max_memory));
    sheet.value("Memory Reserved", show::size(tier.reserved_memory));
    sheet.value("Streams", count(tier.streams, limits.max_streams));
    sheet.value("Consumers", count(tier.consumers, limits.max_consumers));
    sheet.value("Max Ack Pending", limit(i64::try_from(limits.max_ack_pending).unwrap_or(-1), show::count));
    sheet.value("Largest Stream on Disk", limit(limits.storage_max_stream_bytes, show::size));
    sheet.value("Largest Stream in Memory", limit(limits.memory_max_stream_bytes, show::size));
    sheet.value("Max Bytes Required", yes(limits.max_bytes_required));
}

/// Below zero there is none; zero is nothing at all.
fn limit_or_none(most: i64, show: impl Fn(u64) -> String) -> String {
    u64::try_from(most).map_or_else(|_| "unlimited".to_owned(), show)
}

#[cfg(test)]
mod tests {
    //! An account by the words of its server.

    use super::*;

    #[test]
    fn an_account_is_shown_as_committed() {
        let text = include_bytes!("../../tests/shown/account.json");
        let answer: AccountDescribed = {
            let response: firn_api::envelope::Response<AccountDescribed> = firn_api::json::read(text).unwrap();
            response.body
        };
        let mut sheet = Sheet::new("Account Information");
        let server =
            ServerInfo { client_id: 7, server_id: "N1".to_owned(), max_payload: 1 << 20, ..ServerInfo::default() };
        let user = json!({ "user": "alice", "account": "A", "permissions": { "publish": { "allow": ["a", "b"] } } });
        connected(&server, Some(&user), Duration::from_micros(120), &mut sheet);
        used(&answer.info.unwrap(), &mut sheet);
        show::assert_shown("account.txt", &sheet.to_string());
    }
}
