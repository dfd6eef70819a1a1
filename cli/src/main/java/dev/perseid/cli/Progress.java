package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.perseid.core.JobId;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.io.IOException;

/// Shows how a job gets on: on a terminal one line that is redrawn, elsewhere a line now and then.
final class Progress {
  private static final int BAR_CHARS = 24;

  /// Between two lines where nothing can be redrawn.
  private static final long PLAIN_NS = 2_000_000_000L;

  private final Screen screen;
  private long lastNs;
  private String lastState = "";

  Progress(Screen screen) {
    this.screen = screen;
  }

  void show(Proto.JobProgress job) {
    String line = line(job);
    if (!job.getState().equals("running")) {
      return;
    }
    if (screen.live()) {
      screen.redraw(line);
      return;
    }
    long now = System.nanoTime();
    if (!job.getState().equals(lastState) || now - lastNs >= PLAIN_NS) {
      screen.note(line);
      lastNs = now;
      lastState = job.getState();
    }
  }

  /// `[######........] 120/225 tasks, 6 running, 3 s left, 0.0123 credits`
  static String line(Proto.JobProgress job) {
    int filled =
        job.getTasks() == 0 ? 0 : (int) ((long) BAR_CHARS * job.getDone() / job.getTasks());
    StringBuilder line =
        new StringBuilder("[")
            .append("#".repeat(filled))
            .append(".".repeat(BAR_CHARS - filled))
            .append("] ")
            .append(job.getDone())
            .append('/')
            .append(job.getTasks())
            .append(" tasks, ")
            .append(job.getLeased())
            .append(" running");
    long extra = job.getAttempts() - job.getDone();
    if (extra > 0) {
      line.append(", ").append(extra).append(extra == 1 ? " further attempt" : " further attempts");
    }
    if (job.getResults().getReopened() > 0) {
      line.append(", runs again: a provider was found out");
    }
    if (job.hasEtaUs()) {
      long nowUs = System.currentTimeMillis() * 1_000;
      line.append(", ").append(left(Math.max(0, job.getEtaUs() - nowUs) / 1_000_000));
    }
    return line.append(", ").append(Amounts.credits(job.getCharged())).toString();
  }

  /// Whole seconds: an estimate has no tenths.
  private static String left(long seconds) {
    return (seconds < 60 ? Math.max(1, seconds) + " s" : Amounts.duration(seconds * 1_000_000_000))
        + " left";
  }

  /// The job's end in one line.
  static String ending(Proto.JobProgress job) {
    String took =
        job.hasEndedUs()
            ? " after " + Amounts.duration((job.getEndedUs() - job.getSubmittedUs()) * 1_000)
            : "";
    String cost =
        "; "
            + job.getAttempts()
            + " attempts of "
            + job.getTasks()
            + " tasks cost "
            + Amounts.credits(job.getCharged())
            + " of "
            + Amounts.credits(job.getBudget())
            + footprint(job)
            + reviewed(job.getResults());
    return switch (job.getState()) {
      case "done" -> "done" + took + cost;
      case "cancelled" ->
          "cancelled" + took + (job.getReason().isEmpty() ? "" : ": " + job.getReason()) + cost;
      case "failed" -> "failed" + took + ": " + job.getReason() + cost;
      default -> "still running" + cost;
    };
  }

  /// What it used and emitted, and of how many of its attempts that is said; empty if of none.
  private static String footprint(Proto.JobProgress job) {
    if (!job.hasFootprint()) {
      return "";
    }
    Proto.Footprint f = job.getFootprint();
    boolean all = f.getEnergyAttempts() == job.getAttempts();
    boolean allCarbon = f.getCarbonAttempts() == f.getEnergyAttempts();
    return ", "
        + Amounts.energy(f.getEnergyUj())
        + (all ? "" : " in " + f.getEnergyAttempts() + " of them")
        + (f.getCarbonAttempts() == 0 ? "" : ", " + Amounts.grams(f.getCarbonUg()) + " of CO2")
        + (f.getCarbonAttempts() == 0 || allCarbon
            ? ""
            : " in " + f.getCarbonAttempts() + " of them");
  }

  /// What became of results whose providers were found out since; empty where there were none.
  private static String reviewed(Proto.JobResults r) {
    if (r.getReviewed() == 0) {
      return "";
    }
    return "; "
        + r.getReviewed()
        + (r.getReviewed() == 1 ? " result" : " results")
        + " of providers that were found out looked at again: "
        + r.getReplaced()
        + " replaced, "
        + r.getDoubtful()
        + " doubtful, "
        + Amounts.credits(r.getReversed())
        + " taken back";
  }

  /// The exit code that tells how a job ended.
  static int exit(Proto.JobProgress job) {
    return job.getState().equals("done") ? Exit.OK : Exit.FAILED;
  }

  static JobId id(Proto.JobProgress job) {
    try {
      return Translation.job(job.getJob(), "job");
    } catch (Malformed e) {
      throw new IllegalStateException("the pool named a job badly: " + e.getMessage(), e);
    }
  }

  /// The fields of a job in an object that is open already.
  static void fields(JsonGenerator json, Proto.JobProgress job) throws IOException {
    json.writeStringField("job", id(job).toString());
    json.writeStringField("name", job.getName());
    json.writeStringField("state", job.getState());
    json.writeStringField("reason", job.getReason());
    json.writeNumberField("priority", job.getPriority());
    json.writeNumberField("tasks", job.getTasks());
    json.writeNumberField("waiting", job.getWaiting());
    json.writeNumberField("ready", job.getReady());
    json.writeNumberField("leased", job.getLeased());
    json.writeNumberField("done", job.getDone());
    json.writeNumberField("failed", job.getFailed());
    json.writeNumberField("attempts", job.getAttempts());
    json.writeNumberField("copies", job.getCopies());
    json.writeNumberField("budget_microcredits", job.getBudget());
    json.writeNumberField("charged_microcredits", job.getCharged());
    json.writeNumberField("submitted_us", job.getSubmittedUs());
    if (job.hasEndedUs()) {
      json.writeNumberField("ended_us", job.getEndedUs());
    }
    if (job.hasEtaUs()) {
      json.writeNumberField("eta_us", job.getEtaUs());
    }
    if (job.hasFootprint()) {
      Proto.Footprint f = job.getFootprint();
      json.writeObjectFieldStart("footprint");
      json.writeNumberField("energy_attempts", f.getEnergyAttempts());
      json.writeNumberField("energy_uj", f.getEnergyUj());
      json.writeNumberField("carbon_attempts", f.getCarbonAttempts());
      json.writeNumberField("carbon_ug", f.getCarbonUg());
      json.writeEndObject();
    }
    Proto.JobResults r = job.getResults();
    json.writeObjectFieldStart("results");
    json.writeNumberField("agreed", r.getAgreed());
    json.writeNumberField("alone", r.getAlone());
    json.writeNumberField("refuted", r.getRefuted());
    json.writeNumberField("reviewed", r.getReviewed());
    json.writeNumberField("replaced", r.getReplaced());
    json.writeNumberField("doubtful", r.getDoubtful());
    json.writeNumberField("redone", r.getRedone());
    json.writeNumberField("reopened", r.getReopened());
    json.writeNumberField("reversed_microcredits", r.getReversed());
    json.writeEndObject();
  }
}
