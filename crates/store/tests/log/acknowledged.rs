//! What was reported durable is there after a crash at any disk operation, unchanged and in order, and nothing else is.

use firn_sim::disk::SimDisk;

use crate::workload::{Model, open};

/// Steps of one life, if nothing crashes.
const STEPS: u64 = 40;

/// One life: opens, checks what is there, and works until a crash at an operation, or for some steps.
fn live(model: &mut Model, disk: &SimDisk, crash_at: u64) -> Result<(), String> {
    disk.crash_at(disk.operations() + crash_at);
    match open(disk, model.released, model.now) {
        // The process is gone before it could look at what it read.
        Ok(_) if disk.is_crashed() => {}
        Ok(mut reopened) => {
            model.check(&reopened)?;
            for _ in 0..STEPS {
                if disk.is_crashed() {
                    break;
                }
                model.step(&mut reopened.wal, disk);
            }
        }
        Err(error) if disk.is_crashed() => drop(error),
        Err(error) => return Err(format!("cannot be opened: {error}")),
    }
    Ok(())
}

fn end(model: &mut Model, disk: &SimDisk) {
    if model.random.one_in(4) { disk.kill() } else { disk.cut_power() }
}

/// Three lives with a crash at a drawn operation, and a look at what is left.
fn run(seed: u64, prepare: impl FnOnce(&SimDisk)) -> Result<(), String> {
    let (mut model, disk) = (Model::new(seed), SimDisk::new(seed ^ 0xd15c));
    prepare(&disk);
    for _ in 0..3 {
        let crash_at = 1 + model.random.below(80);
        live(&mut model, &disk, crash_at)?;
        end(&mut model, &disk);
    }
    disk.cut_power();
    let reopened = open(&disk, model.released, model.now).map_err(|error| error.to_string())?;
    model.check(&reopened)
}

#[test]
fn acknowledged_records_survive_crashes_of_any_seed() {
    for seed in 0..3_000 {
        run(seed, |_| {}).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
    }
}

#[test]
fn acknowledged_records_survive_a_crash_at_any_disk_operation() {
    for seed in 0..30 {
        for crash_at in 1.. {
            let (mut model, disk) = (Model::new(seed), SimDisk::new(seed ^ crash_at << 32));
            // A life without a crash, so that there are recycled files and a log to recover.
            live(&mut model, &disk, u64::MAX / 2).unwrap();
            end(&mut model, &disk);
            let at = |broken: String| panic!("seed {seed}, crash at operation {crash_at}: {broken}");
            live(&mut model, &disk, crash_at).unwrap_or_else(at);
            let was_reached = disk.is_crashed();
            end(&mut model, &disk);
            live(&mut model, &disk, u64::MAX / 2).unwrap_or_else(at);
            if !was_reached {
                break;
            }
        }
    }
}

#[test]
fn without_syncs_the_same_test_finds_losses() {
    let losses = (0..200).filter(|seed| run(*seed, SimDisk::ignore_syncs).is_err()).count();
    assert!(losses > 100, "only {losses} of 200 runs on a disk that never syncs lost something");
}
