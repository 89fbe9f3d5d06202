use super::fleet::*;
use super::*;

#[test]
fn measure() {
    for size in [2, 3, 8, 50, 200, 256, 400] {
        for warm in [false, true] {
            let mut line = format!("N={size} warm={warm}");
            let seeds = if size > 100 { 5 } else { 40 };
            let mut worst: Vec<(f64, f64, f64)> = vec![];
            let mut longest = 0;
            for seed in 0..seeds {
                let mut fleet = Fleet::new(seed);
                fleet.start(size / 2, 0.0);
                if warm {
                    fleet.pods.iter_mut().for_each(|p| p.load = 100.0);
                    fleet.pass(EVERY * 12);
                    fleet.start(size - size / 2, 0.0);
                } else {
                    fleet.start(size - size / 2, 100.0);
                }
                let truth = fleet.pods.iter().map(|p| p.load).sum::<f64>() / size as f64;
                for k in 0..6 {
                    fleet.pass(EVERY / 2);
                    if worst.len() <= k {
                        worst.push((0.0, 0.0, 0.0));
                    }
                    let e = fleet.errors(truth);
                    let w = &mut worst[k];
                    w.0 = w.0.max(*e.last().unwrap());
                    w.1 += e.iter().filter(|e| **e > 0.1).count() as f64
                        / (size as f64 * seeds as f64);
                    w.2 += e.iter().sum::<f64>() / (size as f64 * seeds as f64);
                }
                longest = longest.max(fleet.longest);
            }
            for w in worst {
                line += &format!(" | {:.3} bad {:.3} avg {:.3}", w.0, w.1, w.2);
            }
            println!("{line} longest {longest}");
        }
    }
}
