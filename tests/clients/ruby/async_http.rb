# async-http: one Async::HTTP::Client, shared by tasks.

require "async/http/client"
require "async/http/endpoint"
require "async/http/body/writable"
require "async/http/protocol/http11"
require "async/http/protocol/http2"
require_relative "contract"

# A protocol that counts the connections that its clients open.
class Counted
  attr :opened

  def initialize(protocol)
    @protocol = protocol
    @opened = 0
  end

  def client(peer)
    @opened += 1
    @protocol.client(peer)
  end
end

PROTOCOLS = {"h1" => Async::HTTP::Protocol::HTTP11, "h2" => Async::HTTP::Protocol::HTTP2}

# The body of a request: buffered, which the library can rewind, or a queue, which it cannot.
def body(args, content)
  return nil if content.empty?
  return [content] unless args.stream

  body = Async::HTTP::Body::Writable.new
  Async do
    body.write(content)
    body.close
  end
  body
end

args = Contract.parse("h1", "h2")
Contract.does_not_apply("async-http does not wait for 100 (Continue)") if args.expect
protocol = Counted.new(PROTOCOLS.fetch(args.protocol))
endpoint = Async::HTTP::Endpoint.parse("http://#{args.address}")
client = Async::HTTP::Client.new(endpoint, protocol: protocol)
versions = %w[async-http protocol-http2].map { |name| "#{name} #{Gem.loaded_specs.fetch(name).version}" }

Contract.run(args, version: "#{versions.join(", ")}, Ruby #{RUBY_VERSION}", connections: -> { protocol.opened }) do |number|
  request = Protocol::HTTP::Request.new(
    client.scheme, client.authority, args.method, args.path, nil,
    Protocol::HTTP::Headers.new(args.headers(number)), Protocol::HTTP::Body::Buffered.wrap(body(args, args.content(number)))
  )
  response = client.call(request)
  begin
    content = response.read || ""
    args.check(number, response.status, content, response.headers["x-trailer"]&.first)
  ensure
    response.close
  end
end
