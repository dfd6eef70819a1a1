package dev.perseid.engine;

import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Tasks and what depends on what. Built by one thread; once it runs it does not change any more,
/// and can run again, also several times at once.
///
/// Compact: about 24 bytes a task and 12 an edge while it is built, 20 and 4 when it runs, and 8 a
/// task for each run at the time (4 more if tasks have values).
public final class Graph {
  private static final AtomicLong LAST = new AtomicLong();

  final long number = LAST.incrementAndGet();
  final String name;
  Object[] bodies = new Object[16];
  String[] names = new String[16];
  int[] needed = new int[16];
  private int size;
  private int[] from = new int[16];
  private int[] to = new int[16];
  private int edges;
  private boolean ups;
  private boolean downs;
  boolean valued;
  boolean special;
  boolean flows;
  boolean choices;
  @Nullable BitSet any;
  private boolean frozen;

  // Made when it first runs.
  int[] offsets = new int[0];
  int[] targets = new int[0];
  int[] roots = new int[0]; // the plain ones, then the flows; not made where all are plain
  int flowRoots;
  int[] specialRoots = new int[0];
  boolean allRoots;
  private @Nullable Object writtenTo;

  /// An empty graph.
  ///
  /// @param name what its runs are called in records
  public Graph(String name) {
    this.name = checkName(name);
  }

  /// Its name.
  public String name() {
    return name;
  }

  /// How many tasks it has.
  public int size() {
    return size;
  }

  /// Adds a task without a value.
  public Task<Void> action(String name, Action body) {
    return new Task<>(this, add(name, body));
  }

  /// Adds a task with a value.
  public <T extends @Nullable Object> Task<T> task(String name, Callable<T> body) {
    valued = true;
    return new Task<>(this, add(name, body instanceof Action ? new Code.Called(body) : body));
  }

  /// Adds a task that computes its value from another one's.
  @SuppressWarnings("unchecked")
  public <A extends @Nullable Object, T extends @Nullable Object> Task<T> task(
      String name, Task<A> input, Mapping<? super A, T> body) {
    checkMine(input);
    valued = true;
    int id =
        add(name, new Code.Mapped(input.id, (Mapping<@Nullable Object, ?>) (Mapping<?, ?>) body));
    precede(input.id, id);
    return new Task<>(this, id);
  }

  /// Adds a task that computes its value from two others'.
  @SuppressWarnings("unchecked")
  public <A extends @Nullable Object, B extends @Nullable Object, T extends @Nullable Object>
      Task<T> task(
          String name, Task<A> first, Task<B> second, Joining<? super A, ? super B, T> body) {
    checkMine(first);
    checkMine(second);
    valued = true;
    int id =
        add(
            name,
            new Code.Joined(
                first.id,
                second.id,
                (Joining<@Nullable Object, @Nullable Object, ?>) (Joining<?, ?, ?>) body));
    precede(first.id, id);
    precede(second.id, id);
    return new Task<>(this, id);
  }

  /// Adds a task that computes its value from many others', in their order.
  @SuppressWarnings("unchecked")
  public <A extends @Nullable Object, T extends @Nullable Object> Task<T> gather(
      String name, List<Task<A>> inputs, Mapping<List<A>, T> body) {
    valued = true;
    int[] ids = new int[inputs.size()];
    for (int i = 0; i < ids.length; i++) {
      checkMine(inputs.get(i));
      ids[i] = inputs.get(i).id;
    }
    int id =
        add(
            name,
            new Code.Gathered(ids, (Mapping<List<@Nullable Object>, ?>) (Mapping<?, ?>) body));
    for (int one : ids) {
      precede(one, id);
    }
    return new Task<>(this, id);
  }

  /// Adds a task that may add tasks while it runs.
  public <T extends @Nullable Object> Task<T> flow(String name, FlowBody<T> body) {
    valued = true;
    flows = true;
    return new Task<>(this, add(name, new Code.Flowing(body)));
  }

  /// Adds a task that runs a graph again and again while `again` says so after each round; its
  /// value is how many rounds there were. Every round leaves the records of its tasks.
  ///
  /// @param most rounds; the task fails if `again` wants more
  public Task<Integer> loop(String name, Graph body, int most, Callable<Boolean> again) {
    return flow(
        name,
        flow -> {
          int rounds = 0;
          do {
            if (rounds == most) {
              throw new IllegalStateException("the loop wants more than " + most + " rounds");
            }
            flow.run(body);
            rounds++;
          } while (again.call());
          return rounds;
        });
  }

  /// Adds a task that takes one of some branches; tasks after the others do not run
  /// ([Outcome#NOT_CHOSEN]), unless they wait for any of several ([Task#whenAny]).
  ///
  /// @param which the branch, from 0
  public Task<Integer> choice(String name, Callable<Integer> which, Task<?>... branches) {
    int[] ids = new int[branches.length];
    for (int i = 0; i < ids.length; i++) {
      checkMine(branches[i]);
      ids[i] = branches[i].id;
    }
    valued = true;
    choices = true;
    int id = add(name, new Code.Choice(which, ids));
    for (int branch : ids) {
      precede(id, branch);
    }
    return new Task<>(this, id);
  }

  /// Adds many tasks of one name and code. Nothing is allocated for each of them.
  public Tasks tasks(String name, int count, IndexedAction body) {
    int first = size;
    Code code = new Code.Indexed(body, first);
    for (int i = 0; i < count; i++) {
      add(name, code);
    }
    return new Tasks(this, first, count);
  }

  private static String checkName(String name) {
    if (name.length() > Limits.NAME_CHARS) {
      throw new IllegalArgumentException(
          "a name has at most " + Limits.NAME_CHARS + " characters, not " + name.length());
    }
    return name;
  }

  private int add(String name, Object body) {
    checkOpen();
    int id = size;
    if (id == bodies.length) {
      if (id >= Limits.TASKS) {
        throw new IllegalStateException("a graph has at most " + Limits.TASKS + " tasks");
      }
      bodies = Arrays.copyOf(bodies, 2 * id);
      names = Arrays.copyOf(names, 2 * id);
      needed = Arrays.copyOf(needed, 2 * id);
    }
    bodies[id] = body;
    names[id] = checkName(name);
    size = id + 1;
    return id;
  }

  void precede(int before, int after) {
    checkOpen();
    if (before < after) {
      ups = true;
    } else if (before > after) {
      downs = true;
    } else {
      throw new IllegalArgumentException("task '" + names[after] + "' cannot wait for itself");
    }
    int e = edges;
    if (e == from.length) {
      if (e >= Limits.EDGES) {
        throw new IllegalStateException("a graph has at most " + Limits.EDGES + " dependencies");
      }
      from = Arrays.copyOf(from, 2 * e);
      to = Arrays.copyOf(to, 2 * e);
    }
    from[e] = before;
    to[e] = after;
    edges = e + 1;
    needed[after]++;
  }

  void whenAny(int id) {
    checkOpen();
    if (any == null) {
      any = new BitSet();
    }
    any.set(id);
  }

  void terms(int id, UnaryOperator<Terms> change) {
    checkOpen();
    special = true;
    bodies[id] =
        bodies[id] instanceof Code.Special s
            ? new Code.Special(s.body, change.apply(s.terms))
            : new Code.Special(bodies[id], change.apply(Terms.usual()));
  }

  void checkMine(Task<?> task) {
    if (!task.graph.equals(this)) {
      throw new IllegalArgumentException(
          "task '"
              + task.name()
              + "' is of graph '"
              + task.graph.name
              + "', not of '"
              + name
              + "'");
    }
  }

  private void checkOpen() {
    if (frozen) {
      throw new IllegalStateException(
          "graph '" + name + "' has run and cannot change any more: build another one");
    }
  }

  /// Makes it ready to run, once: O(tasks + dependencies).
  ///
  /// @throws IllegalArgumentException if tasks wait for each other in a circle
  synchronized void freeze() {
    if (frozen) {
      return;
    }
    if (edges > 0) {
      offsets = new int[size + 1];
      for (int e = 0; e < edges; e++) {
        offsets[from[e]]++;
      }
      int sum = 0;
      for (int i = 0; i <= size; i++) {
        sum += offsets[i];
        offsets[i] = sum; // past the end; filling moves it to the first
      }
      targets = new int[edges];
      for (int e = edges - 1; e >= 0; e--) {
        targets[--offsets[from[e]]] = to[e];
      }
      if (ups && downs) {
        checkCircles();
      }
    }
    int plain = 0;
    int flowing = 0;
    int asking = 0;
    for (int i = 0; i < size; i++) {
      if (needed[i] == 0) {
        switch (bodies[i]) {
          case Code.Special _ -> asking++;
          case Code.Flowing _ -> flowing++;
          default -> plain++;
        }
      }
    }
    flowRoots = flowing;
    allRoots = plain == size;
    if (!allRoots) {
      roots = new int[plain + flowing];
      specialRoots = new int[asking];
      flowing = plain;
      plain = 0;
      asking = 0;
      for (int i = 0; i < size; i++) {
        if (needed[i] == 0) {
          switch (bodies[i]) {
            case Code.Special _ -> specialRoots[asking++] = i;
            case Code.Flowing _ -> roots[flowing++] = i;
            default -> roots[plain++] = i;
          }
        }
      }
    }
    from = new int[0];
    to = new int[0];
    frozen = true;
  }

  private void checkCircles() {
    int[] left = Arrays.copyOf(needed, size);
    int[] order = new int[size];
    int end = 0;
    for (int i = 0; i < size; i++) {
      if (left[i] == 0) {
        order[end++] = i;
      }
    }
    for (int at = 0; at < end; at++) {
      for (int e = offsets[order[at]]; e < offsets[order[at] + 1]; e++) {
        if (--left[targets[e]] == 0) {
          order[end++] = targets[e];
        }
      }
    }
    for (int i = 0; end < size && i < size; i++) {
      if (left[i] > 0) {
        throw new IllegalArgumentException(
            "tasks of graph '"
                + name
                + "' wait for each other in a circle; one of them, or one behind"
                + " them, is '"
                + names[i]
                + "'");
      }
    }
  }

  /// Whether a recorder has it already; it has from now on. The drain's.
  boolean writtenTo(Object recorder) {
    boolean was = recorder.equals(writtenTo);
    writtenTo = recorder;
    return was;
  }
}
