//! The calls of tonic, whose releases differ only in their types: the parent module imports `tonic`.

use std::str::FromStr;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use contract::{Args, BoxError, MESSAGES, Protocol, is_tuned};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::tonic::client::Grpc;
use super::tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use super::tonic::transport::{Channel, Endpoint};
use super::tonic::{Request, Status, Streaming};

/// Sends every request, and prints the report with these libraries.
pub async fn run(libraries: &[&str]) -> Result<(), BoxError> {
    let args = Args::parse(&[Protocol::Grpc]);
    let mut endpoint = Endpoint::from_shared(format!("http://{}", args.address))?;
    if is_tuned() {
        endpoint = endpoint
            .initial_stream_window_size(1 << 20)
            .initial_connection_window_size(4 << 20);
    }
    let channel = endpoint.connect().await?;
    let report = contract::run(args, channel, send).await;
    report.print(libraries, None);
    Ok(())
}

async fn send(channel: Channel, args: Arc<Args>, number: u64) -> Result<(), BoxError> {
    let args = &*args;
    let mut client = Grpc::new(channel);
    client.ready().await?;
    let response = match args.method.as_str() {
        "UNARY" => unary(client, args, number).await,
        "SERVER" => server(client, args, number).await,
        "CLIENT" => client_stream(client, args, number).await,
        "BIDI" => bidi(client, args, number).await,
        other => return Err(format!("no kind of call: {other}").into()),
    };
    // A status shows all its metadata, the time among them.
    let response =
        response.map_err(|status| format!("{:?}: {}", status.code(), status.message()))?;
    args.check(number, 200, &response)
}

async fn unary(mut client: Grpc<Channel>, args: &Args, number: u64) -> Result<Vec<u8>, Status> {
    let request = request(number, args.body(number).into());
    let response: Bytes = client.unary(request, path(args)?, Raw).await?.into_inner();
    Ok(response.to_vec())
}

async fn server(mut client: Grpc<Channel>, args: &Args, number: u64) -> Result<Vec<u8>, Status> {
    let request = request(number, Bytes::new());
    let response = client.server_streaming(request, path(args)?, Raw).await?;
    receive_rest(response.into_inner(), Vec::new()).await
}

async fn client_stream(
    mut client: Grpc<Channel>,
    args: &Args,
    number: u64,
) -> Result<Vec<u8>, Status> {
    let messages = vec![Bytes::from(args.body(number)); MESSAGES];
    let request = request(number, tokio_stream::iter(messages));
    let response = client.streaming(request, path(args)?, Raw).await?;
    receive_rest(response.into_inner(), Vec::new()).await
}

async fn bidi(mut client: Grpc<Channel>, args: &Args, number: u64) -> Result<Vec<u8>, Status> {
    // The channel holds all messages, because the first is queued before the call begins.
    let (messages, stream) = mpsc::channel(MESSAGES);
    let body = Bytes::from(args.body(number));
    let send = || {
        messages
            .try_send(body.clone())
            .map_err(|_| Status::cancelled("no one sends it"))
    };
    send()?;
    let request = request(number, ReceiverStream::new(stream));
    let mut responses = client
        .streaming(request, path(args)?, Raw)
        .await?
        .into_inner();
    let mut received = Vec::new();
    for sent in 1..=MESSAGES {
        let response: Option<Bytes> = responses.message().await?;
        received.extend(response.unwrap_or_default());
        if sent < MESSAGES {
            send()?;
        }
    }
    drop(messages);
    receive_rest(responses, received).await
}

/// Receives the remaining messages and appends them.
async fn receive_rest(mut responses: Streaming<Bytes>, mut received: Vec<u8>) -> Result<Vec<u8>, Status> {
    while let Some(response) = responses.message().await? {
        received.extend(response);
    }
    Ok(received)
}

fn request<T>(number: u64, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-id", number.into());
    request
}

/// A full method name, as the release's own `http` has it.
fn path<P: FromStr>(args: &Args) -> Result<P, Status> {
    let path = args.path.parse();
    path.map_err(|_| Status::invalid_argument("not a full method name"))
}

/// A codec of messages that are bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
