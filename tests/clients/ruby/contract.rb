# The shared code of the Ruby clients: flags, workers and report.
#
# Nothing is retried: the library's own retries apply, and a request that raises has failed.

require "async"
require "async/barrier"
require "json"
require "optparse"

module Contract
  # The exit code of a program whose library has no means for the pattern.
  DOES_NOT_APPLY = 3

  Args = Struct.new(
    :address, :protocol, :requests, :concurrency, :method, :path, :body, :response, :burst, :pause, :cancel, :timeout,
    :expect, :stream, :trailers
  ) do
    # Whether this request is one that the client cancels.
    def cancels?(number)
      cancel > 0 && number.odd?
    end

    def request_timeout(number)
      (cancels?(number) ? cancel : timeout) / 1000.0
    end

    # The body of a request. Each request has its own, so that a response to another one is detected.
    def content(number)
      text = "body of #{number} "
      (text * (body / text.length + 1))[0, body]
    end

    def headers(number)
      headers = [["x-id", number.to_s]]
      # A server sends trailers only to a client that accepts them (RFC 9110, section 6.5.1).
      headers << ["te", "trailers"] if trailers
      headers
    end

    # Raises unless the response belongs to this request.
    def check(number, status, received, trailer)
      expected = method == "HEAD" ? 0 : self.response
      raise "status #{status.inspect}" unless status == 200
      raise "#{received.length} bytes instead of #{expected}" unless received.length == expected
      raise "another body than was sent" if path == "/echo" && received != content(number)
      raise "the server received another length" if path == "/count" && received != format("%016d", body)
      raise "no trailer" if trailers && trailer != "end"
    end
  end

  # Parses the flags of a client that speaks these protocols.
  def self.parse(*protocols)
    args = Args.new
    args.expect = args.stream = args.trailers = false
    OptionParser.new do |flags|
      %i[address protocol method path].each { |name| flags.on("--#{name} TEXT", String) { |text| args[name] = text } }
      %i[requests concurrency body response burst pause cancel timeout].each do |name|
        flags.on("--#{name} NUMBER", Integer) { |number| args[name] = number }
      end
      %i[expect stream trailers].each { |name| flags.on("--#{name}") { args[name] = true } }
    end.parse!
    missing = args.members.find { |name| args[name].nil? }
    abort "--#{missing} is missing" if missing
    does_not_apply "the library does not speak #{args.protocol}" unless protocols.include?(args.protocol)
    args
  end

  def self.does_not_apply(reason)
    warn "this pattern does not apply: #{reason}"
    exit DOES_NOT_APPLY
  end

  # Calls the block once for the number of each request, in as many tasks as there are workers, and prints the report.
  # `connections` returns how many connections were opened.
  def self.run(args, version:, connections:, &send)
    report = {version: version, sent: 0, ok: 0, failed: 0, cancelled: 0, hung: 0, errors: Hash.new(0)}
    Async do |task|
      numbers = (0...args.requests).each
      workers = Async::Barrier.new
      args.concurrency.times do
        workers.async { |worker| work(worker, args, numbers, report, send) }
      end
      workers.wait
      puts JSON.generate(report.merge(connections: connections.call))
      $stdout.flush
      # Connections that are kept alive would keep the process running.
      exit!(0)
    end
  end

  def self.work(worker, args, numbers, report, send)
    (1..).each do |done|
      number = numbers.next
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      error = failure { worker.with_timeout(args.request_timeout(number)) { send.call(number) } }
      report[:hung] += 1 if Process.clock_gettime(Process::CLOCK_MONOTONIC) - began >= args.timeout / 2000.0
      count(report, args.cancels?(number), error)
      worker.sleep(args.pause / 1000.0) if args.burst > 0 && done % args.burst == 0
    end
  rescue StopIteration
    # All requests have been sent.
  end

  def self.count(report, cancelled, error)
    report[:sent] += 1
    if cancelled
      report[:cancelled] += 1
    elsif error
      report[:failed] += 1
      report[:errors][error] += 1
    else
      report[:ok] += 1
    end
  end

  # The error of the block as text without ids, so that equal errors are counted together; nil when it succeeds.
  def self.failure
    yield
    nil
  rescue => error
    "#{error.class}: #{error.message}".gsub(/0x\h+|\d+(\.\d+){3}(:\d+)?/, "..")
  end
end
