package dev.perseid.core;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/// Says what is wrong with a provider's report of a lease it holds. A wrong report is recorded as
/// REFUSED, with this sentence as its reason.
final class ReportCheck {
  private ReportCheck() {}

  static @Nullable String problem(Lease lease, Report report) {
    String problem =
        switch (report.outcome()) {
          case DONE -> done(lease, report);
          case TASK_FAILED, PROVIDER_FAILED, CANCELLED ->
              report.outputs().isEmpty()
                  ? null
                  : "it has outputs though the attempt did not end as done";
          case LOST, REFUSED ->
              "a provider reports DONE, TASK_FAILED, PROVIDER_FAILED or CANCELLED, not "
                  + report.outcome();
        };
    if (problem == null) {
      problem = texts(report);
    }
    boolean ran = report.outcome() == Outcome.DONE || report.outcome() == Outcome.TASK_FAILED;
    if (problem == null && ran && lease.kind().isNative() != isNative(report)) {
      problem =
          "it says that "
              + Text.quote(report.engine())
              + " ran it, and the task is "
              + (lease.kind().isNative() ? "native" : "portable");
    }
    if (problem == null) {
      problem = times(report);
    }
    return problem == null ? usage(lease, report.usage()) : problem;
  }

  /// Whether it says that no engine stood between the task and the machine.
  private static boolean isNative(Report report) {
    return report.engine().equals(Report.NATIVE);
  }

  private static @Nullable String done(Lease lease, Report report) {
    if (!report.reason().isEmpty()) {
      return "it is done and yet has a reason";
    }
    if (report.startedUs().isEmpty() || report.endedUs().isEmpty()) {
      return "it is done without having started or ended";
    }
    if (report.outputs().size() != lease.outputs()) {
      return "it has "
          + report.outputs().size()
          + " outputs, but the task declares "
          + lease.outputs();
    }
    long bytes = 0;
    for (Blob output : report.outputs()) {
      if (output.sizeBytes() < 0 || output.sizeBytes() > lease.kind().outputBytesLimit()) {
        return "an output of "
            + output.sizeBytes()
            + " bytes is outside the limit of "
            + lease.kind().outputBytesLimit();
      }
      bytes += output.sizeBytes();
    }
    if (bytes > lease.kind().outputBytesLimit()) {
      return "its outputs have "
          + bytes
          + " bytes together, more than the limit of "
          + lease.kind().outputBytesLimit();
    }
    return null;
  }

  private static @Nullable String texts(Report report) {
    if (report.reason().length() > Limits.REASON_CHARS || !Text.isUnicode(report.reason())) {
      return "its reason is not a text of at most " + Limits.REASON_CHARS + " characters";
    }
    for (String text : List.of(report.engine(), report.isolation(), report.usage().energyBy())) {
      if (text.length() > Limits.ENGINE_CHARS || !Text.isLine(text)) {
        return "engine, isolation and energyBy must each be one line of at most "
            + Limits.ENGINE_CHARS
            + " characters";
      }
    }
    return null;
  }

  private static @Nullable String times(Report report) {
    if (isNegative(report.startedUs()) || isNegative(report.endedUs())) {
      return "it has a time before 1970";
    }
    if (report.startedUs().isPresent()
        && report.endedUs().isPresent()
        && report.endedUs().getAsLong() < report.startedUs().getAsLong()) {
      return "it ended before it started";
    }
    return null;
  }

  private static @Nullable String usage(Lease lease, Usage u) {
    for (OptionalLong measured :
        List.of(
            u.gas(),
            u.cpuNs(),
            u.wallNs(),
            u.peakMemoryBytes(),
            u.bytesIn(),
            u.bytesOut(),
            u.fetchedBytes(),
            u.gpuNs(),
            u.energyUj())) {
      if (isNegative(measured)) {
        return "it used a negative amount of something";
      }
    }
    TaskKind kind = lease.kind();
    if (u.gas().orElse(0) > kind.gasLimit()) {
      return "it used " + u.gas().getAsLong() + " gas, more than the limit of " + kind.gasLimit();
    }
    long mostWallMs = kind.wallLimitMs() + Limits.LEASE_GRACE_MS;
    if (u.wallNs().orElse(0) > mostWallMs * 1_000_000) {
      return "it ran for "
          + u.wallNs().getAsLong()
          + " ns, far beyond the limit of "
          + kind.wallLimitMs()
          + " ms";
    }
    if (u.bytesOut().orElse(0) > kind.outputBytesLimit()) {
      return "it left "
          + u.bytesOut().getAsLong()
          + " bytes, more than the limit of "
          + kind.outputBytesLimit();
    }
    long given = bytesIn(lease);
    if (u.bytesIn().orElse(0) > given) {
      return "it was given " + given + " bytes, not " + u.bytesIn().getAsLong();
    }
    return null;
  }

  /// What is wrong with the time that an attempt is said to have taken, if the pool's clock is
  /// right: it cannot have run for longer than its lease has been open.
  static @Nullable String tooLong(Lease lease, Report report, long nowUs) {
    long ranUs = report.usage().wallNs().orElse(0) / 1_000;
    long openUs = nowUs - lease.assignedUs();
    long mostUs = openUs + openUs / Limits.WALL_SLACK_PART + Limits.WALL_SLACK_US;
    if (ranUs <= mostUs) {
      return null;
    }
    return "it ran for " + ranUs + " us, but was leased only " + openUs + " us ago";
  }

  /// Bytes of the inputs and arguments of a lease, saturating.
  static long bytesIn(Lease lease) {
    return bytesIn(lease.inputs(), lease.args());
  }

  static long bytesIn(List<Blob> inputs, String args) {
    long bytes = args.getBytes(StandardCharsets.UTF_8).length;
    for (Blob input : inputs) {
      long sum = bytes + input.sizeBytes();
      bytes = sum < 0 ? Long.MAX_VALUE : sum;
    }
    return bytes;
  }

  private static boolean isNegative(OptionalLong value) {
    return value.isPresent() && value.getAsLong() < 0;
  }
}
