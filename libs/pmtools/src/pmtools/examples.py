"""What `pm COMMAND --help` says below the arguments."""

from __future__ import annotations

RUN_EXAMPLES = """examples:
  pm run                                     simulator, 60 s windows, for two minutes
  pm run --seconds 30 --window 30 --seed 7   another seeded flow, shorter windows
  pm run --recording FILE --speed 5          a recording at five times its speed
  pm run --venue polymarket --market btc-updown-15m
                                             the real venue, paper fills, no order leaves
"""
REPLAY_EXAMPLES = """examples:
  pm replay window.jsonl.gz                  what the engine would have done, with paper fills
  pm replay window.jsonl.gz --market market.json --json
  pm replay window.jsonl.gz --bus redis      every message through a real Redis; same fingerprint
  pm replay var/run-3                        all recordings and journals of a kept run
  pm replay var/run-3/strategy/journal       step journals again and compare their outputs
"""
REPORT_EXAMPLES = """examples:
  pm report --day today                      the day's windows of every run of this checkout
  pm report 3                                those of the run in var/run-3
  pm report recordings/                      replay all with paper fills, then report.html
  pm replay recordings/ --tables tables && pm report tables --out today.html --json
"""
STUDY_EXAMPLES = """examples:
  pm study research/studies/maker-only.toml recordings/
PASS, MARGINAL, FAIL or INSUFFICIENT_DATA; the pessimistic model of fills decides
"""
CALIBRATE_EXAMPLES = """examples:
  pm run --keep --seconds 600; pm calibrate var/run-3 --out calibration.json
  pm replay recordings/ --fill-model central --latency calibration.json
"""
SWEEP_EXAMPLES = """examples:
  pm sweep grid.toml recordings/             every cell of the grid over the development windows
  pm sweep grid.toml recordings/ --windows test
var/sweeps/grid then has sweep.html, rows.parquet, rows.jsonl and figures.json; a sweep that was
stopped goes on there
grid.toml:
  [base]
  PM_MAX_POSITION_VALUE = 1000
  [vary]
  PM_PAIR_TARGET = [0.98, 0.99]
  [cells.calm]
  PM_FIRST_LEG_MAX_MOVE = 0.03
"""
RECORD_EXAMPLES = """examples:
  pm record --venue polymarket --market btc-updown-5m,btc-updown-15m
                                             frames, prints and books, until Ctrl-C
  pm recordings check var/recordings         what is missing in them
no key is read, no order leaves, no Redis is needed; /metrics and /state are on port 8101
"""
RECORDINGS_EXAMPLES = """examples:
  pm recordings check var/recordings               every window in a folder
exit code: 0 whole; 1 something is missing or cannot be read; 2 the files cannot be used
"""
SIMULATOR_EXAMPLES = """examples:
  pm simulator                               15-minute BTC windows on http://127.0.0.1:8200
  pm simulator --window 60 --seed 7 --port 0 one-minute windows, a free port
  pm simulator --recording FILE --speed 5    a recording at five times its speed
  pm simulator --faults '{"mode":"post_only","mode_s":60}'
"""
SIMULATE_EXAMPLES = """examples:
  pm simulate --seed 7                       the seed's faults, and whether every law held
  pm simulate --seed 7 --faults kill-9,redis-empty --lines 200
  pm simulate --seed 7 --schedule simulate-7.json
  pm simulate --seeds 1..200 --jobs 2        many, to find one that breaks a law
exit code: 0 every law held; 1 one was broken; 2 the arguments cannot be used
"""
BENCH_EXAMPLES = """examples:
  pm bench                                   every measurement, about fourteen minutes
  pm bench --only post --rounds 9 --json
  pm bench --only replay --file FILE         a recording of yours; also feed and engine
only ratios compare across machines (docs/performance.md)
"""
KILL_EXAMPLES = """examples:
  pm kill                                    every engine of this checkout: cancel everything, place
                                             nothing until `pm resume`
  pm kill --reason "news at 14:30"
  pm kill --run 3                            only the run in var/run-3
exit code: 0 all obeyed; 1 not all, or not known; 3 no engine found
"""
RESUME_EXAMPLES = """examples:
  pm resume                                  the only engine that is up
  pm resume --run 3                          one of several; --compose, --all
exit code: 0 all obeyed; 1 not all; 2 say which engine; 3 no engine found
"""
STATUS_EXAMPLES = """exit code: 0 all ready, nothing halted; 1 otherwise; 3 no engine found
"""
CONSOLE_EXAMPLES = """a link opens the console once, within 10 minutes; the browser then stays
signed in for 12 hours

exit code: 0 a link for each engine; 1 not for all; 3 no engine found
"""
WATCH_EXAMPLES = """examples:
  pm watch                                   the only engine of this checkout that is up
  pm watch --run 3                           one of several; --compose
  PM_CONTROL_TOKEN_FILE=token pm watch --url http://127.0.0.1:8105
                                             a console elsewhere, for example through a tunnel

Up and Down choose a window, K kills and R resumes (both ask first), ? lists the keys, q leaves.
exit code: 0 left; 1 the console does not answer or refuses; 2 say which engine; 3 no engine found
"""
TABLE_EXAMPLES = """examples:
  pm pnl --since 1h                          profit of the last hour, window by window
  pm orders                                  our bids, and why none rests
  pm fills --csv > fills.csv                 the newest 100 fills, for a spreadsheet

exit code: 0 shown; 1 an engine did not answer; 3 no engine found
"""
LOGS_EXAMPLES = """examples:
  pm logs                                    the newest 50 lines of all services
  pm logs --since 10m --level warning        what went wrong in the last ten minutes
  pm logs --service executor --lines 200
  pm logs --since 1h --json                  with every field, for a program

the lines are those of pm run and of Compose; a service that was started by hand writes where it
was started. At most 4 MB, or 20,000 lines in Compose, are read of each service.
exit code: 0 shown; 1 a log could not be read; 3 no engine found
"""
NOTIFY_EXAMPLES = """examples:
  pm notify test                             what each address of PM_NOTIFY_URLS says to a test

exit code: 0 all took it; 1 not all; 3 no engine found
"""
DOCTOR_EXAMPLES = """examples:
  pm doctor                                  check the environment as the services would read it
  PM_DRY_RUN=false pm doctor                 the same for live trading
"""
HOSTS_EXAMPLES = """examples:
  sudo pm hosts cut                          16 series on two hosts, one of them cut off for 40 s
  sudo pm hosts cut --series 2 --cut 20      the small form, about a minute
  sudo pm hosts cut --same-shard             the cut host also has the keys of the other's account
  sudo pm hosts cut --one-wallet             one executor for the series of both hosts
  sudo pm hosts cost --world fitted          what 1, 4, 8 and 16 series cost

Linux and root: the hosts are network namespaces, and all that is made is removed at the end. The
laws are at the head of pmtools/hosts/laws.py; docs/scaling.md has the figures.
exit code: 0 every law holds; 1 one is broken, or the engine did not come up; 2 not possible here
"""
