//! The cost in a real Envoy. All contenders are listeners of one Envoy with one worker, and take turns: their ratio to
//! the first one in the same round does not depend on what else the machine does.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use evenkeel_report::terminal;
use evenkeel_test_envoy::{Backend, Bootstrap, Cluster, Envoy, Listener, TcpEcho};
use serde::Serialize;

use super::affinity;
use super::contender::{APP, BODIES, ECHO, HTTP, Modules, TCP_ONLY};
use super::load::{Generator, Shape, shapes};
use super::process::Process;
use super::processes::{ProcessCost, ProcessEffort};

/// The requests per second of the latency measurement, over 8 connections.
pub const RATE: u32 = 400;

/// How often a contender is measured, and for how long.
#[derive(Clone, Copy)]
pub struct Effort {
    pub rounds: usize,
    /// The time of a measurement of response times.
    pub seconds: u32,
    /// The divisor of the load.
    pub scale: u64,
}

/// What a run measures.
#[derive(Clone, Copy)]
pub enum Part {
    All,
    /// Start, memory and idle connections.
    Processes,
    /// CPU under one load.
    Load(Shape),
}

/// The result of a run.
#[derive(Serialize)]
pub struct Report {
    pub rounds: usize,
    pub shapes: Vec<ShapeCost>,
    pub latencies: Vec<Latency>,
    pub process_effort: ProcessEffort,
    pub processes: Vec<ProcessCost>,
}

/// The cost of one kind of load.
#[derive(Serialize)]
pub struct ShapeCost {
    pub name: &'static str,
    pub unit: &'static str,
    pub contenders: Vec<Cost>,
}

#[derive(Serialize)]
pub struct Cost {
    pub name: &'static str,
    /// Microseconds of CPU per unit, in each round.
    pub micros: Vec<f64>,
    /// The same divided by that of the first contender in the same round.
    pub ratios: Vec<f64>,
}

/// Response times at [`RATE`], in microseconds.
#[derive(Serialize)]
pub struct Latency {
    pub name: &'static str,
    pub p50: u64,
    pub p99: u64,
}

/// The servers behind the Envoys.
struct Servers {
    /// Responds with 5 bytes, without a cost for this process.
    app: Envoy,
    bodies: Backend,
    echo: TcpEcho,
}

/// Measures every contender. `directory` is for files of the run.
pub async fn measure(
    module: &Path,
    envoy: &Path,
    directory: &Path,
    effort: Effort,
    part: Part,
) -> Result<Report> {
    fs::create_dir_all(directory)?;
    let generator = Generator::new(directory)?;
    let app = Bootstrap::new().envoy(envoy);
    let app = app.listener(Listener::http("app").direct_response("/", 200, "hello"));
    let servers = Servers {
        app: Envoy::start(app).await?,
        bodies: Backend::start("bodies").await?,
        echo: TcpEcho::start("echo").await?,
    };
    let bench = Bench {
        module,
        envoy,
        modules: Modules::write(directory)?,
        servers,
        effort,
    };
    let process_effort = ProcessEffort::new(effort)?;
    let mut report = Report {
        rounds: bench.effort.rounds,
        shapes: Vec::new(),
        latencies: Vec::new(),
        process_effort,
        processes: match part {
            Part::All | Part::Processes => bench.processes(process_effort).await?,
            Part::Load(_) => Vec::new(),
        },
    };
    let shapes = match part {
        Part::All => shapes(effort.scale),
        Part::Processes => return Ok(report),
        Part::Load(shape) => vec![shape],
    };
    let proxy = bench.start(bench.listeners(), 1).await?;
    let client = bench.start_client(&proxy).await?;
    affinity::separate(proxy.pid(), &[bench.servers.app.pid(), client.pid()])?;
    for shape in shapes {
        let to = if shape.is_from_envoy { &client } else { &proxy };
        let cost = bench.shape(&proxy, to, &generator, shape).await?;
        report.shapes.push(cost);
    }
    if matches!(part, Part::Load(_)) {
        return Ok(report);
    }
    for (index, (name, _)) in HTTP.into_iter().enumerate() {
        let times = generator.latencies(proxy.address(&http(index)), bench.effort.seconds)?;
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        let (p50, p99) = at(50).zip(at(99)).context("no response times")?;
        report.latencies.push(Latency { name, p50, p99 });
    }
    Ok(report)
}

/// What the measurements share.
pub(super) struct Bench<'a> {
    module: &'a Path,
    envoy: &'a Path,
    pub(super) modules: Modules,
    servers: Servers,
    effort: Effort,
}

fn http(index: usize) -> String {
    format!("http-{index}")
}

fn tcp(index: usize) -> String {
    format!("tcp-{index}")
}

impl Bench<'_> {
    fn listeners(&self) -> Vec<Listener> {
        let of_http = HTTP.iter().enumerate();
        let of_http = of_http.map(|(index, (_, it))| it.http(&http(index), &self.modules));
        let of_tcp = TCP_ONLY.iter().enumerate();
        let of_tcp = of_tcp.map(|(index, (_, it))| it.tcp(&tcp(index), &self.modules));
        of_http.chain(of_tcp).collect()
    }

    pub(super) async fn start(&self, listeners: Vec<Listener>, workers: u32) -> Result<Envoy> {
        let bodies = self.servers.bodies.address();
        let bootstrap = Bootstrap::new()
            .envoy(self.envoy)
            .module(self.module)
            .concurrency(workers)
            .cluster(Cluster::new(APP, [self.servers.app.address("app")]))
            .cluster(Cluster::new(BODIES, [bodies]))
            .cluster(Cluster::new("grpc", [bodies]).http2())
            .cluster(Cluster::new(ECHO, [self.servers.echo.address()]));
        Envoy::start(listeners.into_iter().fold(bootstrap, Bootstrap::listener)).await
    }

    /// Starts an Envoy that passes requests on to `proxy`, over HTTP/2: for each HTTP listener it has one of the same name.
    async fn start_client(&self, proxy: &Envoy) -> Result<Envoy> {
        let names = (0..HTTP.len()).map(http);
        let bootstrap = names.fold(Bootstrap::new().envoy(self.envoy), |bootstrap, name| {
            let cluster = Cluster::new(&name, [proxy.address(&name)]).http2();
            let listener = Listener::http(&name).route("/", &name);
            bootstrap.cluster(cluster).listener(listener)
        });
        Envoy::start(bootstrap).await
    }

    /// Measures all contenders of a shape, in turns; a first round is not counted. `to` has the listeners to which the load
    /// is sent.
    async fn shape(
        &self,
        proxy: &Envoy,
        to: &Envoy,
        generator: &Generator,
        shape: Shape,
    ) -> Result<ShapeCost> {
        let contenders: Vec<_> = if shape.is_tcp() {
            TCP_ONLY
                .iter()
                .enumerate()
                .map(|(index, it)| (it.0, tcp(index)))
                .collect()
        } else {
            HTTP.iter()
                .enumerate()
                .map(|(index, it)| (it.0, http(index)))
                .collect()
        };
        let process = Process(proxy.pid());
        let cost = |name| Cost {
            name,
            micros: Vec::new(),
            ratios: Vec::new(),
        };
        let mut costs: Vec<_> = contenders.iter().map(|(name, _)| cost(*name)).collect();
        for round in 0..=self.effort.rounds {
            terminal::note(&format!(
                "{}: round {round} of {}",
                shape.name, self.effort.rounds
            ));
            let mut micros = vec![0.0; contenders.len()];
            let mut turns: Vec<_> = contenders.iter().zip(&mut micros).collect();
            // What changes during a round affects the first ones as much as the last ones.
            if round % 2 == 1 {
                turns.reverse();
            }
            for ((_, listener), micros) in turns {
                let before = process.cpu()?;
                generator.send(shape, to.address(listener)).await?;
                let used = (process.cpu()? - before).as_secs_f64() * 1e6;
                *micros = used / shape.units() as f64;
            }
            if round > 0 {
                for (cost, micros_of) in costs.iter_mut().zip(&micros) {
                    cost.micros.push(*micros_of);
                    cost.ratios.push(micros_of / micros[0]);
                }
            }
        }
        Ok(ShapeCost {
            name: shape.name,
            unit: shape.unit,
            contenders: costs,
        })
    }
}
