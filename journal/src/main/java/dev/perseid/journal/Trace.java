package dev.perseid.journal;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// What was recorded of a run, whoever ran it: tasks, what they waited for, and their attempts.
/// Pool jobs, the engine's record files and imported files all become this, so that one analysis
/// and one exporter serve them all. Times are nanoseconds since [#epochUs], of one clock: whoever
/// makes a trace from several clocks brings them together first.
///
/// Tasks and attempts are numbered from 0. A task's dependencies are other tasks; a task may
/// instead (or also) have been forked by one that was running. There is no circle. Immutable; kept
/// in columns, some 60 bytes an attempt and 4 an edge.
public final class Trace {
  static final long UNKNOWN = Long.MIN_VALUE;
  private static final int NOBODY = -1;

  private final String id;
  private final String title;
  private final long epochUs;
  private final int cores;
  private final List<String> notes;
  private final List<String> names;
  private final List<String> kinds;
  private final List<String> places;
  private final int[] kind;
  private final int[] forker;
  private final int[] parentsTo;
  private final int[] parents;
  private final int[] order;
  private final int[] task;
  private final int[] number;
  private final int[] place;
  private final List<Ending> ending;
  private final @Nullable String[] reason;
  private final EnumMap<Measure, long[]> columns = new EnumMap<>(Measure.class);
  private final int[] attemptsTo;
  private final int[] byTask;
  private final boolean synthetic;
  private final Optional<TraceParent> parent;

  private Trace(Builder b, int[] parentsTo, int[] parents, int[] order) {
    id = b.id;
    title = b.title;
    epochUs = b.epochUs;
    cores = b.cores;
    notes = List.copyOf(b.notes);
    names = List.copyOf(b.names);
    kinds = List.copyOf(b.kinds.keys);
    places = List.copyOf(b.places.keys);
    kind = Arrays.copyOf(b.kind, b.tasks);
    forker = Arrays.copyOf(b.forker, b.tasks);
    this.parentsTo = parentsTo;
    this.parents = parents;
    this.order = order;
    task = Arrays.copyOf(b.task, b.attempts);
    number = Arrays.copyOf(b.number, b.attempts);
    place = Arrays.copyOf(b.place, b.attempts);
    ending = List.copyOf(b.ending);
    reason = Arrays.copyOf(b.reason, b.attempts);
    b.columns.forEach((measure, column) -> columns.put(measure, Arrays.copyOf(column, b.attempts)));
    attemptsTo = new int[b.tasks];
    for (int a = 0; a < task.length; a++) {
      attemptsTo[task[a]]++;
    }
    int sum = 0;
    for (int t = 0; t < b.tasks; t++) {
      sum += attemptsTo[t];
      attemptsTo[t] = sum;
    }
    byTask = new int[task.length];
    int[] next = attemptsTo.clone();
    for (int a = task.length - 1; a >= 0; a--) {
      byTask[--next[task[a]]] = a;
    }
    for (int t = 0; t < b.tasks; t++) {
      sortByNumber(t == 0 ? 0 : attemptsTo[t - 1], attemptsTo[t]);
    }
    synthetic = b.synthetic;
    parent = b.above;
  }

  private void sortByNumber(int from, int to) {
    for (int i = from + 1; i < to; i++) {
      int a = byTask[i];
      int j = i;
      for (; j > from && number[byTask[j - 1]] > number[a]; j--) {
        byTask[j] = byTask[j - 1];
      }
      byTask[j] = a;
    }
  }

  /// What names it among others: a job's id, a file's name.
  public String id() {
    return id;
  }

  /// The span of another program that it belongs below.
  public Optional<TraceParent> parent() {
    return parent;
  }

  /// Its title for people.
  public String title() {
    return title;
  }

  /// The wall clock at zero: microseconds since 1970 UTC.
  public long epochUs() {
    return epochUs;
  }

  /// How many cores there were, if its source says.
  public OptionalInt cores() {
    return cores == 0 ? OptionalInt.empty() : OptionalInt.of(cores);
  }

  /// What a reader of any figure from it should know: what is missing, what was put right.
  public List<String> notes() {
    return notes;
  }

  /// Whether its times are of a rerun, because its source has none.
  public boolean synthetic() {
    return synthetic;
  }

  /// How many tasks there are.
  public int tasks() {
    return kind.length;
  }

  /// A task's name.
  public String name(int task) {
    return names.get(task);
  }

  /// A task's kind.
  public String kind(int task) {
    return kinds.get(kind[task]);
  }

  /// All kinds, in the order of their first task.
  public List<String> kinds() {
    return kinds;
  }

  int kindOf(int task) {
    return kind[task];
  }

  /// The tasks that a task waited for.
  public IntStream parents(int task) {
    return Arrays.stream(parents, parentsFrom(task), parentsTo[task]);
  }

  int parentsFrom(int task) {
    return task == 0 ? 0 : parentsTo[task - 1];
  }

  int parentsTo(int task) {
    return parentsTo[task];
  }

  int parentAt(int edge) {
    return parents[edge];
  }

  /// How many dependencies there are.
  public int edges() {
    return parents.length;
  }

  /// The running task that forked a task.
  public OptionalInt forker(int task) {
    return forker[task] == NOBODY ? OptionalInt.empty() : OptionalInt.of(forker[task]);
  }

  int forkerOf(int task) {
    return forker[task];
  }

  /// The tasks so that each comes after its parents and its forker.
  int[] order() {
    return order;
  }

  /// How many attempts there are.
  public int attempts() {
    return task.length;
  }

  /// The attempts of a task, by their numbers.
  public IntStream attempts(int task) {
    return Arrays.stream(byTask, attemptsFrom(task), attemptsTo[task]);
  }

  int attemptsFrom(int task) {
    return task == 0 ? 0 : attemptsTo[task - 1];
  }

  int attemptsTo(int task) {
    return attemptsTo[task];
  }

  int attemptAt(int at) {
    return byTask[at];
  }

  /// The task of an attempt.
  public int task(int attempt) {
    return task[attempt];
  }

  /// The number of an attempt among those of its task, from 1.
  public int number(int attempt) {
    return number[attempt];
  }

  /// Where it ran: a provider, a thread, a machine. An empty text where nobody knows.
  public String place(int attempt) {
    return places.get(place[attempt]);
  }

  int placeOf(int attempt) {
    return place[attempt];
  }

  List<String> places() {
    return places;
  }

  /// How it ended.
  public Ending ending(int attempt) {
    return ending.get(attempt);
  }

  /// Why, if it did not end well; otherwise, or if nobody said, an empty text.
  public String reason(int attempt) {
    String why = reason[attempt];
    return why == null ? "" : why;
  }

  /// What is known of an attempt.
  public OptionalLong get(int attempt, Measure measure) {
    long value = raw(attempt, measure);
    return value == UNKNOWN ? OptionalLong.empty() : OptionalLong.of(value);
  }

  long raw(int attempt, Measure measure) {
    long[] column = columns.get(measure);
    return column == null ? UNKNOWN : column[attempt];
  }

  /// Whether anything of a kind is known.
  public boolean has(Measure measure) {
    return columns.containsKey(measure);
  }

  /// How long an attempt ran: by its monotonic clock, else from start to end.
  public OptionalLong ranNs(int attempt) {
    long wall = raw(attempt, Measure.WALL);
    if (wall != UNKNOWN) {
      return OptionalLong.of(wall);
    }
    long start = raw(attempt, Measure.START);
    long end = raw(attempt, Measure.END);
    return start == UNKNOWN || end == UNKNOWN
        ? OptionalLong.empty()
        : OptionalLong.of(Math.max(0, end - start));
  }

  /// Collects a trace. Used by one thread.
  public static final class Builder {
    private final String id;
    private String title;
    private long epochUs;
    private int cores;
    private boolean synthetic;
    private Optional<TraceParent> above = Optional.empty();
    private boolean tooMany;
    private final List<String> notes = new ArrayList<>();
    private final List<String> names = new ArrayList<>();
    private final Numbers kinds = new Numbers();
    private final Numbers places = new Numbers();
    private int tasks;
    private int[] kind = new int[16];
    private int[] forker = new int[16];
    private int edges;
    private int[] child = new int[16];
    private int[] parent = new int[16];
    private int attempts;
    private int[] task = new int[16];
    private int[] number = new int[16];
    private int[] place = new int[16];
    private final List<Ending> ending = new ArrayList<>();
    private @Nullable String[] reason = new String[16];
    private final EnumMap<Measure, long[]> columns = new EnumMap<>(Measure.class);

    /// @param id what names it among others
    public Builder(String id) {
      this.id = id;
      this.title = id;
    }

    /// Texts that get numbers in the order in which they come.
    private static final class Numbers {
      final List<String> keys = new ArrayList<>();
      private final Map<String, Integer> of = new HashMap<>();

      int of(String key) {
        Integer known = of.putIfAbsent(key, keys.size());
        if (known != null) {
          return known;
        }
        keys.add(key);
        return keys.size() - 1;
      }
    }

    /// Sets the title for people.
    public Builder title(String text) {
      title = text;
      return this;
    }

    /// Sets the wall clock at zero: microseconds since 1970 UTC.
    public Builder epochUs(long us) {
      epochUs = us;
      return this;
    }

    /// Says which span of another program it belongs below.
    public Builder parent(TraceParent span) {
      above = Optional.of(span);
      return this;
    }

    /// Says how many cores there were.
    public Builder cores(int count) {
      cores = count;
      return this;
    }

    /// Says that its times are of a rerun.
    Builder synthetic() {
      synthetic = true;
      return this;
    }

    /// Adds what a reader should know.
    public Builder note(String text) {
      notes.add(text);
      return this;
    }

    /// Adds a task.
    ///
    /// @return its number, from 0
    public int task(String name, String ofKind) {
      if (tasks == kind.length) {
        kind = Arrays.copyOf(kind, 2 * tasks);
        forker = Arrays.copyOf(forker, 2 * tasks);
      }
      names.add(name);
      kind[tasks] = kinds.of(ofKind);
      forker[tasks] = NOBODY;
      return tasks++;
    }

    /// How many tasks were added.
    public int tasks() {
      return tasks;
    }

    /// Says that a task waited for another.
    public void depends(int task, int on) {
      if (edges == child.length) {
        child = Arrays.copyOf(child, 2 * edges);
        parent = Arrays.copyOf(parent, 2 * edges);
      }
      child[edges] = task;
      parent[edges++] = on;
    }

    /// Says that a task was forked by one that was running.
    public void forked(int task, int by) {
      forker[task] = by;
    }

    /// Adds an attempt; [#set] tells of it. Of more than [Limits#TRACE_ATTEMPTS] none is kept, and
    /// [#build] says so.
    ///
    /// @param ofTask the task's number
    /// @param nth from 1
    /// @param where it ran; an empty text if nobody knows
    public void attempt(int ofTask, int nth, String where, Ending how, String why) {
      if (attempts == Limits.TRACE_ATTEMPTS) {
        tooMany = true;
        return;
      }
      if (attempts == task.length) {
        int more = 2 * attempts;
        task = Arrays.copyOf(task, more);
        number = Arrays.copyOf(number, more);
        place = Arrays.copyOf(place, more);
        reason = Arrays.copyOf(reason, more);
        columns.replaceAll((measure, column) -> {
          long[] longer = Arrays.copyOf(column, more);
          Arrays.fill(longer, column.length, more, UNKNOWN);
          return longer;
        });
      }
      task[attempts] = ofTask;
      number[attempts] = nth;
      place[attempts] = places.of(where);
      ending.add(how);
      reason[attempts] = why.isEmpty() ? null : why;
      attempts++;
    }

    /// Tells of the newest attempt.
    public Builder set(Measure measure, long value) {
      long[] column = columns.get(measure);
      if (column == null) {
        column = new long[task.length];
        Arrays.fill(column, UNKNOWN);
        columns.put(measure, column);
      }
      column[attempts - 1] = value;
      return this;
    }

    /// Tells of the newest attempt what is known.
    public Builder set(Measure measure, OptionalLong value) {
      return value.isPresent() ? set(measure, value.getAsLong()) : this;
    }

    /// The trace of what was added; the builder can go on, for another with more in it. O(tasks +
    /// edges + attempts).
    ///
    /// @throws TraceFailure if tasks wait for each other in a circle, or one waits for a task that
    ///   is not there
    public Trace build() throws TraceFailure {
      if (tooMany) {
        throw new TraceFailure(
            id + ": more than " + Limits.TRACE_ATTEMPTS + " attempts; look at a part of them");
      }
      int[] to = new int[tasks];
      for (int e = 0; e < edges; e++) {
        if (parent[e] < 0 || parent[e] >= tasks || child[e] < 0 || child[e] >= tasks) {
          throw new TraceFailure(id + ": a task depends on task " + parent[e] + ", which it lacks");
        }
        to[child[e]]++;
      }
      int sum = 0;
      for (int t = 0; t < tasks; t++) {
        sum += to[t];
        to[t] = sum;
      }
      int[] sorted = new int[edges];
      int[] next = to.clone();
      for (int e = edges - 1; e >= 0; e--) {
        sorted[--next[child[e]]] = parent[e];
      }
      return new Trace(this, to, sorted, order(to, sorted));
    }

    /// Kahn's algorithm, by number where nothing else decides.
    private int[] order(int[] to, int[] sorted) throws TraceFailure {
      int[] missing = new int[tasks];
      int[] outTo = new int[tasks];
      for (int t = 0; t < tasks; t++) {
        missing[t] = to[t] - (t == 0 ? 0 : to[t - 1]);
        if (forker[t] != NOBODY) {
          missing[t]++;
          outTo[forker[t]]++;
        }
      }
      for (int p : sorted) {
        outTo[p]++;
      }
      int sum = 0;
      for (int t = 0; t < tasks; t++) {
        sum += outTo[t];
        outTo[t] = sum;
      }
      int[] out = new int[sum];
      int[] next = outTo.clone();
      for (int t = tasks - 1; t >= 0; t--) {
        for (int e = to[t] - 1; e >= (t == 0 ? 0 : to[t - 1]); e--) {
          out[--next[sorted[e]]] = t;
        }
        if (forker[t] != NOBODY) {
          out[--next[forker[t]]] = t;
        }
      }
      int[] order = new int[tasks];
      int found = 0;
      for (int t = 0; t < tasks; t++) {
        if (missing[t] == 0) {
          order[found++] = t;
        }
      }
      for (int i = 0; i < found; i++) {
        int t = order[i];
        for (int e = t == 0 ? 0 : outTo[t - 1]; e < outTo[t]; e++) {
          if (--missing[out[e]] == 0) {
            order[found++] = out[e];
          }
        }
      }
      if (found < tasks) {
        throw new TraceFailure(
            id + ": tasks wait for each other in a circle: " + circle(to, sorted, missing));
      }
      return order;
    }

    /// A circle by names: whoever is never ready waits for somebody who is never ready.
    private String circle(int[] to, int[] sorted, int[] missing) {
      int at = 0;
      while (missing[at] == 0) {
        at++;
      }
      List<Integer> path = new ArrayList<>();
      while (!path.contains(at) && path.size() < Limits.CIRCLE_NAMES) {
        path.add(at);
        int next = forker[at] != NOBODY && missing[forker[at]] > 0 ? forker[at] : NOBODY;
        for (int e = at == 0 ? 0 : to[at - 1]; e < to[at]; e++) {
          if (missing[sorted[e]] > 0) {
            next = sorted[e];
            break;
          }
        }
        at = next;
      }
      List<Integer> round = path.subList(Math.max(0, path.indexOf(at)), path.size()).reversed();
      StringBuilder text = new StringBuilder();
      for (int t : round) {
        text.append(names.get(t)).append(" -> ");
      }
      return text.append(names.get(round.getFirst())).toString();
    }
  }
}
