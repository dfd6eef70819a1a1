package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// A pool under test with a clock that moves when told, and its effects by kind.
final class Fixture {
  final Pool pool = Pool.empty(Sample.POOL);
  final List<Effect> effects = new ArrayList<>();
  long nowUs = 1_000_000;

  Fixture() {
    run(new Command.Grant(Sample.ALICE, 100_000_000, "start"));
  }

  /// Executes and forgets the effects of the command before.
  List<Event> run(Command command) {
    effects.clear();
    return pool.execute(command, nowUs, effects);
  }

  void join(int number, int cores) {
    assertThat(run(Sample.join(number, cores, 1))).hasSize(1);
  }

  JobId submit(JobSpec spec) {
    assertThat(run(new Command.SubmitJob(spec, Sample.SIGNATURE)))
        .singleElement()
        .isInstanceOf(Event.JobAccepted.class);
    return spec.id();
  }

  /// Schedules and returns the leases that were sent.
  List<Lease> schedule(int max) {
    run(new Command.Schedule(max));
    return sent();
  }

  List<Lease> sent() {
    return all(Effect.SendLease.class).map(Effect.SendLease::lease).toList();
  }

  List<Long> stopped() {
    return all(Effect.StopLease.class).map(Effect.StopLease::lease).toList();
  }

  List<Long> durable() {
    return all(Effect.ReportDurable.class).map(Effect.ReportDurable::lease).toList();
  }

  private <T extends Effect> Stream<T> all(Class<T> type) {
    return effects.stream().filter(type::isInstance).map(type::cast);
  }

  List<Event> report(Report... reports) {
    Lease first = pool.lease(reports[0].lease()).orElseThrow();
    return reportAs(first.provider(), 1, reports);
  }

  List<Event> reportAs(Address provider, long session, Report... reports) {
    return run(new Command.ReportAttempts(provider, session, List.of(reports), Sample.SIGNATURE));
  }

  /// Refuses anything but one refusal, and returns it.
  Rejection refused(Command command) {
    List<Event> events = run(command);
    assertThat(events).singleElement().isInstanceOf(Event.Refused.class);
    return ((Event.Refused) events.getFirst()).rejection();
  }

  JobView view(JobId job) {
    return pool.job(job).orElseThrow();
  }

  long sum() {
    return pool.sumOfAccounts();
  }

  /// The pool as a snapshot of it is read.
  static Pool copy(Pool pool) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    return Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
  }
}
