package dev.perseid.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/// The live part of a job: the state of each task in columns, so that a million tasks cost about 70
/// bytes each beyond their specification.
final class Graph {
  static final byte WAITING = 0;
  static final byte READY = 1;
  static final byte LEASED = 2;
  static final byte DONE = 3;
  static final byte FAILED = 4;

  private static final int LONGS_PER_BLOB = 5;
  private static final int[] NOBODY = {};
  private static final int LEARNED_OVER = 64;
  private static final long UNKNOWN_NS = 1_000_000_000;

  /// Attempts of a kind after which input bytes may say more than the mean.
  private static final int FITTED = 8;

  /// By so many times what bytes say may differ from the mean.
  private static final int FARTHEST_OFF = 32;

  /// Run times repeat to within half of them or so, until more is known.
  static final double UNKNOWN_SPREAD = 0.25;

  /// So many deviations above the middle are all but one in twenty.
  private static final double ONE_IN_TWENTY = 1.645;

  private static final double LEAST_SPREAD = 1.25;
  private static final double MOST_SPREAD = 8;

  /// In how many parts of a job its tasks are ranked anew at most.
  private static final int RANKINGS = 16;

  /// Jobs with more kinds are not ranked anew for each.
  private static final int KINDS_RANKED_AT_ONCE = 64;

  final JobSpec spec;
  final Edges edges;
  final byte[] state;

  /// Attempts that ended.
  final byte[] attempts;

  /// Attempts that ended by a provider's fault.
  final byte[] faults;

  /// Edges from tasks that are not done.
  final int[] pending;

  final long[] readyUs;

  /// For each task its first place in `blobs`, counted in blobs.
  private final int[] firstOutput;

  private final long[] blobs;

  /// Providers that a task must not go to, by their index, ascending.
  final TreeMap<Integer, int[]> excluded = new TreeMap<>();

  /// Tasks whose results do not count yet.
  final TreeMap<Integer, Check> checks = new TreeMap<>();

  /// For each task why its result was checked or not; empty where nothing is.
  final byte[] drawn;

  /// On whose word alone results count.
  final Backings backings;

  /// Tasks that are not done and were: their outputs from then stand in the blobs, as what waits
  /// for them may have used them.
  final BitSet wereDone = new BitSet();

  /// For each task how many spare attempts run; most have none and are not in here.
  final TreeMap<Integer, Integer> spares = new TreeMap<>();

  final Group[] groups;
  private final int[] groupOfKind;

  /// Whether all tasks are alike and none waits for another: then a task's rank is its index.
  private final boolean isFlat;

  /// A task's rank in its group; empty if the graph is flat.
  private final int[] rank;

  /// For each kind the run time by which tasks were ranked last.
  final long[] weightNs;

  /// Attempts that were learned from since then.
  int sinceRanking;

  /// For each kind: how many attempts taught us, and the mean wall time at usual speed.
  final long[] learned;

  final long[] usualWallNs;

  /// See [#meanWallNs]; -1 if it must be computed again.
  private long meanNs = -1;

  /// For each kind how far attempts were off the mean: the variance of the logarithm of their time
  /// at usual speed.
  final double[] spread;

  /// For each kind what the bytes that a task reads say of its run time.
  final InputFit[] fits;

  /// For each task the bytes that it reads, or -1; empty where nobody has asked yet.
  private long[] inBytes = {};

  /// For each kind the mean gas of an attempt; 0 if that is not known.
  final long[] usualGas;

  Graph(Job job, JobSpec spec) {
    this.spec = spec;
    int n = spec.tasks().size();
    edges = Edges.of(spec.tasks());
    state = new byte[n];
    attempts = new byte[n];
    faults = new byte[n];
    pending = edges.waitsFor();
    readyUs = new long[n];
    drawn = new byte[spec.verification() instanceof Verification.None ? 0 : n];
    backings = new Backings(drawn.length);
    firstOutput = new int[n + 1];
    for (int t = 0; t < n; t++) {
      firstOutput[t + 1] = firstOutput[t] + spec.tasks().get(t).outputs();
    }
    blobs = new long[firstOutput[n] * LONGS_PER_BLOB];
    learned = new long[spec.kinds().size()];
    usualWallNs = new long[spec.kinds().size()];
    usualGas = new long[spec.kinds().size()];
    spread = new double[spec.kinds().size()];
    fits = new InputFit[spec.kinds().size()];
    Arrays.setAll(fits, k -> new InputFit());
    Arrays.fill(spread, UNKNOWN_SPREAD);
    weightNs = new long[spec.kinds().size()];
    Arrays.fill(weightNs, 1);
    groupOfKind = new int[spec.kinds().size()];
    TreeMap<Group.Shape, Integer> shapes = new TreeMap<>();
    for (int k = 0; k < groupOfKind.length; k++) {
      TaskKind kind = spec.kinds().get(k);
      Group.Shape shape = Group.Shape.of(kind);
      groupOfKind[k] = shapes.computeIfAbsent(shape, s -> shapes.size());
    }
    groups = new Group[shapes.size()];
    for (Map.Entry<Group.Shape, Integer> e : shapes.entrySet()) {
      groups[e.getValue()] = new Group(job, e.getKey(), NOBODY, groups.length == 1 ? n : 0);
    }
    isFlat = groups.length == 1 && spec.kinds().size() == 1 && edges.isEmpty();
    rank = isFlat ? NOBODY : new int[n];
    rank();
  }

  /// Puts the tasks in the order in which they are served: as they stand, or those with the longest
  /// way to the end of the job first, by the weights of their kinds, of equals the first. No task
  /// must be listed. O(tasks log tasks + edges).
  private void rank() {
    if (isFlat) {
      return;
    }
    long[] order = order();
    int[] sizes = new int[groups.length];
    for (TaskSpec task : spec.tasks()) {
      sizes[groupOfKind[task.kind()]]++;
    }
    int[][] members = new int[groups.length][];
    for (int g = 0; g < groups.length; g++) {
      members[g] = new int[sizes[g]];
    }
    int[] next = new int[groups.length];
    for (long entry : order) {
      int task = Levels.task(entry);
      int g = groupOfKind[spec.tasks().get(task).kind()];
      rank[task] = next[g];
      members[g][next[g]++] = task;
    }
    for (int g = 0; g < groups.length; g++) {
      groups[g].rank(members[g]);
    }
  }

  private long[] order() {
    if (spec.urgency().scheduling().isByLevel()) {
      return Levels.order(spec.tasks(), edges, weightNs);
    }
    long[] order = new long[spec.tasks().size()];
    Arrays.setAll(order, t -> t);
    return order;
  }

  /// Ranks by other weights.
  ///
  /// @param weights one for each kind
  /// @param since attempts that were learned from since then
  void rank(long[] weights, int since) {
    System.arraycopy(weights, 0, weightNs, 0, weightNs.length);
    sinceRanking = since;
    rank();
  }

  /// Ranks anew if what was learned of run times since says otherwise. The first attempt of a kind
  /// says much, later ones together; so that all ranking of a job costs O(log tasks) for each task,
  /// and for each of its first kinds once all of them.
  private void rankAgain(int kind) {
    sinceRanking++;
    boolean first = learned[kind] == 1 && learned.length <= KINDS_RANKED_AT_ONCE;
    int enough = Math.max(LEARNED_OVER, state.length / RANKINGS);
    boolean learns = spec.urgency().scheduling().learnsOrder();
    if (isFlat || !learns || (!first && sinceRanking < enough)) {
      return;
    }
    long[] weights = weights();
    boolean changed = false;
    for (int k = 0; k < weights.length; k++) {
      changed |= weights[k] > weightNs[k] / 2 * 3 || weights[k] < weightNs[k] / 3 * 2;
    }
    sinceRanking = 0;
    if (!changed) {
      return;
    }
    rank(weights, 0);
    for (int t = 0; t < state.length; t++) {
      if (state[t] == READY && !excluded.containsKey(t)) {
        groups[groupOfKind[spec.tasks().get(t).kind()]].addFresh(rank[t]);
      }
    }
  }

  /// What is known of each kind's run time, with its spread where that counts; of those of which
  /// nothing is, the mean of the others.
  private long[] weights() {
    long mean = meanWallNs();
    long[] weights = usualWallNs.clone();
    for (int k = 0; k < weights.length; k++) {
      weights[k] = learned[k] > 0 ? weights[k] : Math.max(1, mean);
      weights[k] = (long) (weights[k] * caution(k));
    }
    return weights;
  }

  /// How many times as long as usual tasks of a kind count when their order is made.
  private double caution(int kind) {
    return spec.urgency().scheduling() == Scheduling.LEARNED ? spread(kind) : 1;
  }

  TaskKind kind(int task) {
    return spec.kinds().get(spec.tasks().get(task).kind());
  }

  Group group(int task) {
    return groups[groupOfKind[spec.tasks().get(task).kind()]];
  }

  int[] excludedFor(int task) {
    int[] providers = excluded.get(task);
    return providers == null ? NOBODY : providers;
  }

  void exclude(int task, int provider) {
    excluded.put(task, excludedWith(task, provider));
  }

  /// Those that a task must not go to, and one more.
  int[] excludedWith(int task, int provider) {
    int[] before = excludedFor(task);
    if (OpenProviders.contains(before, provider)) {
      return before;
    }
    int[] after = Arrays.copyOf(before, before.length + 1);
    after[before.length] = provider;
    Arrays.sort(after);
    return after;
  }

  /// A task is done: nobody will ask where it must not go.
  void forget(int task) {
    excluded.remove(task);
  }

  /// The outputs that the consumer wants and that exist by now.
  List<Result> results() {
    List<Result> found = new ArrayList<>();
    for (Input.Produced wanted : spec.results()) {
      if (state[wanted.task()] == DONE) {
        found.add(
            new Result(
                spec.taskName(wanted.task()),
                wanted.task(),
                wanted.output(),
                output(wanted.task(), wanted.output())));
      }
    }
    return List.copyOf(found);
  }

  /// Lists a ready task in its group.
  void list(int task) {
    Group group = group(task);
    if (excluded.containsKey(task)) {
      group.again.add(task);
    } else {
      group.addFresh(rank.length == 0 ? task : rank[task]);
    }
  }

  void unlist(int task) {
    Group group = group(task);
    if (excluded.containsKey(task)) {
      group.again.remove(task);
    } else {
      group.removeFresh(rank.length == 0 ? task : rank[task]);
    }
  }

  void setOutputs(int task, List<Blob> outputs) {
    int at = firstOutput[task] * LONGS_PER_BLOB;
    for (Blob blob : outputs) {
      blobs[at++] = blob.hash().a();
      blobs[at++] = blob.hash().b();
      blobs[at++] = blob.hash().c();
      blobs[at++] = blob.hash().d();
      blobs[at++] = blob.sizeBytes();
    }
    if (inBytes.length > 0) {
      for (int i = edges.start(task); i < edges.end(task); i++) {
        inBytes[edges.successor(i)] = -1;
      }
    }
  }

  /// An output of a task that is or was done.
  Blob output(int task, int output) {
    int at = (firstOutput[task] + output) * LONGS_PER_BLOB;
    return new Blob(
        new Hash(blobs[at], blobs[at + 1], blobs[at + 2], blobs[at + 3]), blobs[at + 4]);
  }

  /// All outputs of a task that is or was done.
  List<Blob> outputs(int task) {
    List<Blob> found = new ArrayList<>();
    for (int o = 0; o < firstOutput[task + 1] - firstOutput[task]; o++) {
      found.add(output(task, o));
    }
    return List.copyOf(found);
  }

  /// Whether a task has an output of another among its inputs.
  boolean reads(int task, int from) {
    for (Input input : spec.tasks().get(task).inputs()) {
      if (input instanceof Input.Produced p && p.task() == from) {
        return true;
      }
    }
    return false;
  }

  /// The inputs of a task whose dependencies are or were done.
  List<Blob> inputs(int task) {
    List<Input> inputs = spec.tasks().get(task).inputs();
    if (inputs.isEmpty()) {
      return List.of();
    }
    List<Blob> found = new ArrayList<>(inputs.size());
    for (Input input : inputs) {
      found.add(blob(input));
    }
    return List.copyOf(found);
  }

  /// An input of a task whose dependencies are or were done.
  Blob blob(Input input) {
    return switch (input) {
      case Input.Stored(Blob blob) -> blob;
      case Input.Produced(int from, int output) -> output(from, output);
    };
  }

  /// Its bytes, as far as that is known.
  long size(Input input) {
    return switch (input) {
      case Input.Stored(Blob blob) -> blob.sizeBytes();
      case Input.Produced(int from, int output) ->
          blobs[(firstOutput[from] + output + 1) * LONGS_PER_BLOB - 1];
    };
  }

  /// The same, computed once for each task as long as nothing changes.
  long knownBytesIn(int task) {
    if (inBytes.length == 0) {
      inBytes = new long[state.length];
      Arrays.fill(inBytes, -1);
    }
    if (inBytes[task] < 0) {
      inBytes[task] = bytesIn(task);
    }
    return inBytes[task];
  }

  /// The bytes that a task reads whose dependencies are or were done, as far as that is known.
  private long bytesIn(int task) {
    long sum = 0;
    for (Input input : spec.tasks().get(task).inputs()) {
      sum = Price.plus(sum, size(input));
    }
    return sum;
  }

  /// The tasks that had to end before a task, each once, ascending.
  List<Integer> dependsOn(int task) {
    TaskSpec t = spec.tasks().get(task);
    if (t.after().isEmpty() && t.inputs().isEmpty()) {
      return List.of();
    }
    TreeSet<Integer> before = new TreeSet<>(t.after());
    for (Input input : t.inputs()) {
      if (input instanceof Input.Produced p) {
        before.add(p.task());
      }
    }
    return List.copyOf(before);
  }

  /// How long a task is expected to take at usual speed: as its kind does, or as the bytes that it
  /// reads say, if they say more. If nothing is known of its kind it counts as it did when the
  /// tasks were ranked: what may be long is not risked on a slow machine. If nothing is known of
  /// any, it only matters that all are alike.
  long expectedWallNs(int task) {
    int kind = spec.tasks().get(task).kind();
    if (learned[kind] > 0) {
      long usual = usualWallNs[kind];
      if (learned[kind] < FITTED || !fits[kind].isBetter()) {
        return usual;
      }
      // Nobody's few small tasks say that a large one takes for ever.
      long most = Price.scaled(usual, FARTHEST_OFF, 1);
      return Math.clamp(fits[kind].wallNs(knownBytesIn(task)), usual / FARTHEST_OFF, most);
    }
    long likely = spec.urgency().scheduling().learnsOrder() ? weightNs[kind] : meanWallNs();
    return likely > 1 ? likely : UNKNOWN_NS;
  }

  /// The mean of the kinds of which anything is known; 0 if there is none.
  private long meanWallNs() {
    if (meanNs < 0) {
      long sum = 0;
      int known = 0;
      for (int k = 0; k < learned.length; k++) {
        sum += learned[k] > 0 ? Math.min(usualWallNs[k], Long.MAX_VALUE / learned.length) : 0;
        known += learned[k] > 0 ? 1 : 0;
      }
      meanNs = sum / Math.max(1, known);
    }
    return meanNs;
  }

  /// How much of what is paid as gas a task is expected to use: as its kind usually does, or all
  /// that it may; of a native one what it holds in the time that it takes.
  ///
  /// @param wallNs what it is expected to take
  long expectedWork(int task, long wallNs) {
    int kind = spec.tasks().get(task).kind();
    TaskKind of = spec.kinds().get(kind);
    return of.work(usualGas[kind] > 0 ? usualGas[kind] : of.gasLimit(), wallNs);
  }

  /// How many times as long as usual all but one in twenty attempts of a kind take at most, if they
  /// spread log-normally.
  double spread(int kind) {
    return Math.clamp(
        StrictMath.exp(ONE_IN_TWENTY * Math.sqrt(spread[kind])), LEAST_SPREAD, MOST_SPREAD);
  }

  /// The number of the next attempt at a task, which may run beside others.
  int nextAttempt(int task) {
    return attempts[task] + 1 + (state[task] == LEASED ? 1 : 0) + spares.getOrDefault(task, 0);
  }

  /// Learns the gas of a kind from one attempt; before [#learn].
  void learnGas(int kind, long gas) {
    long over = Math.clamp(learned[kind], 1, LEARNED_OVER);
    usualGas[kind] = usualGas[kind] == 0 ? gas : usualGas[kind] + (gas - usualGas[kind]) / over;
  }

  /// Learns the wall time of a task's kind from one attempt, given at usual speed.
  void learn(int task, long wallNs) {
    int kind = spec.tasks().get(task).kind();
    meanNs = -1;
    fits[kind].learn(bytesIn(task), wallNs, learned[kind] > 0 ? usualWallNs[kind] : 0);
    learned[kind]++;
    if (learned[kind] > 1) {
      double off = StrictMath.log((double) Math.max(1, wallNs) / usualWallNs[kind]);
      spread[kind] += (off * off - spread[kind]) / Math.min(learned[kind], LEARNED_OVER);
    }
    usualWallNs[kind] += (wallNs - usualWallNs[kind]) / Math.min(learned[kind], LEARNED_OVER);
    usualWallNs[kind] = Math.max(1, usualWallNs[kind]);
    rankAgain(kind);
  }
}
