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

  final Group[] groups;
  private final int[] groupOfKind;

  /// A task's rank in its group; empty where there is one group only.
  private final int[] rank;

  /// For each kind: how many attempts taught us, and the mean wall time at usual speed.
  final long[] learned;

  final long[] usualWallNs;

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
    groupOfKind = new int[spec.kinds().size()];
    TreeMap<Group.Shape, Integer> shapes = new TreeMap<>();
    for (int k = 0; k < groupOfKind.length; k++) {
      TaskKind kind = spec.kinds().get(k);
      Group.Shape shape = new Group.Shape(kind.cores(), kind.memoryBytes());
      groupOfKind[k] = shapes.computeIfAbsent(shape, s -> shapes.size());
    }
    groups = new Group[shapes.size()];
    if (groups.length == 1) {
      rank = NOBODY;
      groups[0] = new Group(job, shapes.firstKey(), NOBODY, n);
      return;
    }
    rank = new int[n];
    int[] sizes = new int[groups.length];
    for (int t = 0; t < n; t++) {
      rank[t] = sizes[groupOfKind[spec.tasks().get(t).kind()]]++;
    }
    int[][] members = new int[groups.length][];
    for (int g = 0; g < groups.length; g++) {
      members[g] = new int[sizes[g]];
    }
    for (int t = 0; t < n; t++) {
      members[groupOfKind[spec.tasks().get(t).kind()]][rank[t]] = t;
    }
    for (Map.Entry<Group.Shape, Integer> e : shapes.entrySet()) {
      int g = e.getValue();
      groups[g] = new Group(job, e.getKey(), members[g], sizes[g]);
    }
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
    int[] before = excludedFor(task);
    if (OpenProviders.contains(before, provider)) {
      return;
    }
    int[] after = Arrays.copyOf(before, before.length + 1);
    after[before.length] = provider;
    Arrays.sort(after);
    excluded.put(task, after);
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
      found.add(
          switch (input) {
            case Input.Stored(Blob blob) -> blob;
            case Input.Produced(int from, int output) -> output(from, output);
          });
    }
    return List.copyOf(found);
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

  /// Learns the wall time of a kind from one attempt, given at usual speed.
  void learn(int kind, long wallNs) {
    learned[kind]++;
    usualWallNs[kind] += (wallNs - usualWallNs[kind]) / Math.min(learned[kind], LEARNED_OVER);
    usualWallNs[kind] = Math.max(1, usualWallNs[kind]);
  }
}
