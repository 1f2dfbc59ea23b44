# What `cargo` needs more than one word for. CI does not need `just`.
check:
    cargo clippy --workspace --all-targets --all-features -- -D warnings
test:
    cargo test --workspace
loom:
    RUSTFLAGS='--cfg loom' cargo test -p ringway-shm --lib --test loom --release --target-dir target/loom
no-std:
    sh shm/tests/no_std/run
examples:
    sh examples/run-all
storm times="20":
    for i in $(seq {{times}}); do cargo test --workspace -q || exit 1; done
storms times="20":
    for i in $(seq {{times}}); do cargo test -p ringway-tests --test storms || exit 1; done
bench *options="all --table":
    cargo run --release -p ringway-bench -- {{options}}
instructions:
    cargo run --release -p ringway-bench -- count --against benches/instructions.txt
instructions-keep:
    cargo run --release -p ringway-bench -- count --keep benches/instructions.txt
deny:
    cargo deny check bans licenses sources
ci:
    .ci/run
