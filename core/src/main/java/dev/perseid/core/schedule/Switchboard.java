package dev.perseid.core.schedule;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// Connects ready tasks of many consumers to machines, one placement after another, at a scale
/// where nothing can be rehearsed: a million tasks, ten thousand machines.
///
/// *Whose turn:* the consumer that has been served least for its share. *Which of its tasks:* the
/// highest priority; then the one that must start first to keep its deadline; then the longest way
/// to the end of its job. *Where:* the machine on which it ends first by what is believed, inputs
/// that must travel and the weight of the machine's burden included. As long as more tasks are
/// ready than there are machines, only idle ones are looked at; after that a task may wait for a
/// machine that is busy, and stays free to choose again.
///
/// Cost of a placement: O(log tasks + log machines + [#STEPS]), amortised; with fewer tasks than
/// machines up to [#AHEAD] times that.
public final class Switchboard {
  /// How many tasks that wait for a busy machine are passed over for one that does not.
  static final int AHEAD = 64;

  /// Machines whose speeds are within a step count as equally fast.
  static final double STEP = 1.05;

  /// Steps below and above speed 1; what is slower or faster counts as the last.
  static final int STEPS = 100;

  /// Nothing in particular.
  public static final int NOWHERE = -1;

  /// A task that could start.
  ///
  /// @param id whatever its owner calls it
  /// @param consumer whose it is, by [#consumer]
  /// @param priority higher goes first among its consumer's
  /// @param latestStart when it must start to keep its deadline; infinite if it has none
  /// @param way seconds from its start to the end of its job, at speed 1: the b-level
  /// @param work seconds at speed 1: a quantile of its estimate
  /// @param thrift seconds that its consumer would wait longer to save one unit of burden
  /// @param home the machine on which its inputs are, or [#NOWHERE]
  /// @param travel seconds that the inputs take to any other machine
  public record Ready(
      long id,
      int consumer,
      int priority,
      double latestStart,
      double way,
      double work,
      double thrift,
      int home,
      double travel)
      implements Comparable<Ready> {
    @Override
    public int compareTo(Ready o) {
      int x = Integer.compare(o.priority, priority);
      x = x != 0 ? x : Double.compare(latestStart, o.latestStart);
      x = x != 0 ? x : Double.compare(o.way, way);
      return x != 0 ? x : Long.compare(id, o.id);
    }
  }

  /// A task and where it starts now.
  ///
  /// @param end when it is believed to end
  /// @param candidates groups of equally fast machines that were compared
  public record Placement(Ready task, int machine, double end, int candidates) {}

  private static final class Machine implements Comparable<Machine> {
    private final int index;
    private final double speed;
    private final double burden;
    private final int step;
    private boolean idle = true;
    private double until;

    Machine(int index, double speed, double burden, int step) {
      this.index = index;
      this.speed = speed;
      this.burden = burden;
      this.step = step;
    }

    /// Idle ones by burden, busy ones by when they are free.
    @Override
    public int compareTo(Machine o) {
      int x = idle ? Double.compare(burden, o.burden) : Double.compare(until, o.until);
      return x != 0 ? x : Integer.compare(index, o.index);
    }
  }

  private static final class Consumer implements Comparable<Consumer> {
    private final int index;
    private final double share;
    private final PriorityQueue<Ready> ready = new PriorityQueue<>();
    private double served;

    Consumer(int index, double share) {
      this.index = index;
      this.share = share;
    }

    @Override
    public int compareTo(Consumer o) {
      int x = Double.compare(served, o.served);
      return x != 0 ? x : Integer.compare(index, o.index);
    }
  }

  /// Where a task would go.
  private record Choice(Machine machine, double end, double score, int candidates) {}

  private final List<Machine> machines = new ArrayList<>();
  private final List<Consumer> consumers = new ArrayList<>();
  private final List<TreeSet<Machine>> idle = new ArrayList<>();
  private final List<TreeSet<Machine>> busy = new ArrayList<>();
  private final TreeSet<Integer> steps = new TreeSet<>();
  private final TreeSet<Consumer> waiting = new TreeSet<>();
  private int idleCount;
  private int readyCount;

  /// Nobody there yet.
  public Switchboard() {
    for (int step = 0; step <= 2 * STEPS; step++) {
      idle.add(new TreeSet<>());
      busy.add(new TreeSet<>());
    }
  }

  /// Takes a machine in, idle.
  ///
  /// @param speed 1 is usual, more than 0
  /// @param burden of a second of it, in units of the pool's choice that join price, energy and
  ///   carbon; 0 or more
  /// @return its number, from 0 on
  public int machine(double speed, double burden) {
    if (!(speed > 0) || !(burden >= 0)) {
      throw new IllegalArgumentException("a machine of speed " + speed + ", burden " + burden);
    }
    int step = (int) Math.round(Math.log(speed) / Math.log(STEP));
    Machine machine =
        new Machine(machines.size(), speed, burden, STEPS + Math.clamp(step, -STEPS, STEPS));
    machines.add(machine);
    steps.add(machine.step);
    idle.get(machine.step).add(machine);
    idleCount++;
    return machine.index;
  }

  /// Takes a consumer in.
  ///
  /// @param share of the machines that it gets beside others who want some, more than 0
  /// @return its number, from 0 on
  public int consumer(double share) {
    if (!(share > 0)) {
      throw new IllegalArgumentException("a share of " + share);
    }
    consumers.add(new Consumer(consumers.size(), share));
    return consumers.size() - 1;
  }

  /// A task has become ready.
  public void add(Ready task) {
    Consumer consumer = consumers.get(task.consumer());
    if (consumer.ready.isEmpty()) {
      // Who was away has no claim on what it did not want then.
      if (!waiting.isEmpty()) {
        consumer.served = Math.max(consumer.served, waiting.first().served);
      }
      waiting.add(consumer);
    }
    consumer.ready.add(task);
    readyCount++;
  }

  /// A machine has ended its task.
  public void freed(int machine) {
    Machine m = machines.get(machine);
    if (!m.idle) {
      busy.get(m.step).remove(m);
      m.idle = true;
      idle.get(m.step).add(m);
      idleCount++;
    }
  }

  /// How many tasks are ready.
  public int ready() {
    return readyCount;
  }

  /// The next placement, if a ready task should start now.
  ///
  /// @param now the time, in seconds
  public Optional<Placement> next(double now) {
    if (idleCount == 0 || readyCount == 0) {
      return Optional.empty();
    }
    boolean patient = readyCount < machines.size();
    List<Ready> passed = new ArrayList<>();
    List<Machine> promised = new ArrayList<>();
    List<Double> wasUntil = new ArrayList<>();
    Optional<Placement> found = Optional.empty();
    while (readyCount > 0 && passed.size() < AHEAD) {
      Ready task = take();
      Choice choice = choose(task, now, patient);
      if (choice.machine.idle) {
        start(choice.machine, choice.end);
        serve(task);
        found =
            Optional.of(new Placement(task, choice.machine.index, choice.end, choice.candidates));
        break;
      }
      passed.add(task);
      promised.add(choice.machine);
      wasUntil.add(choice.machine.until);
      move(choice.machine, choice.end);
    }
    for (int i = promised.size() - 1; i >= 0; i--) {
      move(promised.get(i), wasUntil.get(i));
    }
    passed.forEach(this::put);
    return found;
  }

  private Ready take() {
    Consumer consumer = waiting.first();
    Ready task = consumer.ready.remove();
    readyCount--;
    if (consumer.ready.isEmpty()) {
      waiting.remove(consumer);
    }
    return task;
  }

  private void put(Ready task) {
    Consumer consumer = consumers.get(task.consumer());
    if (consumer.ready.isEmpty()) {
      waiting.add(consumer);
    }
    consumer.ready.add(task);
    readyCount++;
  }

  private void serve(Ready task) {
    Consumer consumer = consumers.get(task.consumer());
    boolean waits = waiting.remove(consumer);
    consumer.served += task.work() / consumer.share;
    if (waits) {
      waiting.add(consumer);
    }
  }

  private void start(Machine machine, double end) {
    idle.get(machine.step).remove(machine);
    machine.idle = false;
    machine.until = end;
    busy.get(machine.step).add(machine);
    idleCount--;
  }

  private void move(Machine machine, double until) {
    busy.get(machine.step).remove(machine);
    machine.until = until;
    busy.get(machine.step).add(machine);
  }

  private Choice choose(Ready task, double now, boolean patient) {
    @Nullable Choice best = null;
    int candidates = 0;
    for (int step : steps) {
      TreeSet<Machine> free = idle.get(step);
      if (!free.isEmpty()) {
        candidates++;
        best = better(best, at(task, free.first(), now));
      } else if (patient && !busy.get(step).isEmpty()) {
        candidates++;
        best = better(best, at(task, busy.get(step).first(), now));
      }
    }
    if (task.home() != NOWHERE) {
      Machine home = machines.get(task.home());
      if (home.idle || patient) {
        candidates++;
        best = better(best, at(task, home, now));
      }
    }
    if (best == null) {
      throw new IllegalStateException("no machine is idle, and " + idleCount + " should be");
    }
    return new Choice(best.machine, best.end, best.score, candidates);
  }

  private static Choice at(Ready task, Machine machine, double now) {
    double length =
        task.work() / machine.speed + (machine.index == task.home() ? 0 : task.travel());
    double end = (machine.idle ? now : Math.max(now, machine.until)) + length;
    return new Choice(machine, end, end + task.thrift() * machine.burden * length, 0);
  }

  private static Choice better(@Nullable Choice a, Choice b) {
    return a == null || b.score < a.score ? b : a;
  }
}
