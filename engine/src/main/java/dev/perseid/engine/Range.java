package dev.perseid.engine;

/// Tasks that were ready from the start, from `lo` to before `hi` of the graph's roots. Whoever
/// takes it leaves the greater half to others, and puts the rest before itself one by one.
record Range(Run run, int lo, int hi, long readyNs) implements Work {
  @Override
  public void execute(Worker worker) {
    int end = hi;
    while (end - lo > Limits.RANGE) {
      int half = (lo + end) >>> 1;
      worker.push(new Range(run, half, end, readyNs));
      end = half;
    }
    int[] roots = run.graph.roots;
    boolean all = run.graph.allRoots;
    for (int i = end - 1; i > lo; i--) {
      worker.pushQuietly(run, all ? i : roots[i], readyNs);
    }
    worker.tellOthers();
    worker.follow(run, all ? lo : roots[lo], readyNs);
  }
}
