"""Calls that are steps of a run: their intent is in the journal before a replica is asked, their result before the
answer ends; and recorded answers in the place of new ones.

What a call's headers ask for:

    x-trimtab-run: R                          a step of run R, which its first call begins
      x-trimtab-step: LABEL                   its label; else the task's name
      x-trimtab-lease: EPOCH                  of a driver that holds the run; an older one is refused
      x-trimtab-branch: B                     the branch it lies in, if it is in one that has a name
      x-trimtab-after: SEQ                    the step before it there, which answers tell in `x-trimtab-seq`
    x-trimtab-run: R  x-trimtab-replay: R     the same of a run that goes on: recorded answers for what was asked before
      x-trimtab-replay-session: S             another one in each life of the driver: each recorded answer once
    x-trimtab-replay: R                       recorded answers of R and nothing else; no replica is asked
    x-trimtab-run: N  x-trimtab-replay: R     the same as run N: identical requests get their answers in order
      x-trimtab-replay-speed: recorded        with the delays of then, not as fast as it goes
"""
