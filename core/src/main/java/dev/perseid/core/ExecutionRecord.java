package dev.perseid.core;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// One attempt of one task: what was asked, who did it, when, with what, and what came out. The
/// fields up to `charge` are what the provider signs; each is known to it from the lease and from
/// its own measurement.
///
/// @param pool the pool in which it happened
/// @param job the job
/// @param task index of the task in the job
/// @param taskName its name
/// @param kind name of its kind
/// @param attempt 1 for the first
/// @param lease number of the lease
/// @param consumer who pays
/// @param provider who ran it
/// @param offer EIP-712 digest of the offer
/// @param module SHA-256 of the module, or of a native program
/// @param argsHash SHA-256 of the arguments' UTF-8
/// @param inputs the inputs in order
/// @param dependsOn indices of the tasks that had to end first
/// @param gasLimit requested; 0 of a native task, which cannot be replayed
/// @param memoryBytes requested
/// @param cores requested
/// @param gpus requested
/// @param submittedUs,readyUs,assignedUs by the pool's clock, microseconds since the epoch
/// @param startedUs,endedUs by the provider's clock, likewise; absent if it never ran
/// @param outcome how it ended
/// @param reason why, if it did not end well
/// @param usage what it used
/// @param outputs the outputs in order
/// @param engine what ran it
/// @param isolation how it was isolated
/// @param charge what it cost the consumer, microcredits: paid to the provider, or divided as
///   `inference` says
/// @param inference present if this was a request to a model, which changes what some fields mean:
///   `job` is the consumer's tab, `taskName` the request's id, `kind` the model's name, `module`
///   its manifest, `offer` a model offer, `argsHash` SHA-256 of the request's body and `outputs`
///   the one answer, as the provider sent it
public record ExecutionRecord(
    Address pool,
    JobId job,
    int task,
    String taskName,
    String kind,
    int attempt,
    long lease,
    Address consumer,
    Address provider,
    Hash offer,
    Hash module,
    Hash argsHash,
    List<Blob> inputs,
    List<Integer> dependsOn,
    long gasLimit,
    long memoryBytes,
    int cores,
    Gpus gpus,
    long submittedUs,
    long readyUs,
    long assignedUs,
    OptionalLong startedUs,
    OptionalLong endedUs,
    Outcome outcome,
    String reason,
    Usage usage,
    List<Blob> outputs,
    String engine,
    String isolation,
    long charge,
    Optional<Inference> inference) {
  /// The record of a task's attempt without GPUs.
  public ExecutionRecord(
      Address pool,
      JobId job,
      int task,
      String taskName,
      String kind,
      int attempt,
      long lease,
      Address consumer,
      Address provider,
      Hash offer,
      Hash module,
      Hash argsHash,
      List<Blob> inputs,
      List<Integer> dependsOn,
      long gasLimit,
      long memoryBytes,
      int cores,
      long submittedUs,
      long readyUs,
      long assignedUs,
      OptionalLong startedUs,
      OptionalLong endedUs,
      Outcome outcome,
      String reason,
      Usage usage,
      List<Blob> outputs,
      String engine,
      String isolation,
      long charge) {
    this(
        pool,
        job,
        task,
        taskName,
        kind,
        attempt,
        lease,
        consumer,
        provider,
        offer,
        module,
        argsHash,
        inputs,
        dependsOn,
        gasLimit,
        memoryBytes,
        cores,
        Gpus.NONE,
        submittedUs,
        readyUs,
        assignedUs,
        startedUs,
        endedUs,
        outcome,
        reason,
        usage,
        outputs,
        engine,
        isolation,
        charge,
        Optional.empty());
  }

  /// Whether anybody can run it again and get the same: it is of a portable task.
  public boolean isReplayable() {
    return gasLimit > 0 && inference.isEmpty();
  }

  /// The same with what an inference adds.
  ExecutionRecord with(Inference added) {
    return with(charge, added);
  }

  /// The same at another charge, with what an inference adds.
  public ExecutionRecord with(long newCharge, Inference added) {
    return with(gpus, newCharge, Optional.of(added));
  }

  /// The same with the GPUs that were requested.
  public ExecutionRecord with(Gpus requested) {
    return with(requested, charge, inference);
  }

  private ExecutionRecord with(Gpus requested, long newCharge, Optional<Inference> of) {
    return new ExecutionRecord(
        pool,
        job,
        task,
        taskName,
        kind,
        attempt,
        lease,
        consumer,
        provider,
        offer,
        module,
        argsHash,
        inputs,
        dependsOn,
        gasLimit,
        memoryBytes,
        cores,
        requested,
        submittedUs,
        readyUs,
        assignedUs,
        startedUs,
        endedUs,
        outcome,
        reason,
        usage,
        outputs,
        engine,
        isolation,
        newCharge,
        of);
  }

  /// The record that follows from a lease and its provider's report. Pure, so that provider, pool
  /// and verifier arrive at the same bytes.
  ///
  /// @param price the price of the offer named in the lease
  public static ExecutionRecord of(Address pool, Lease l, Report r, Price price) {
    return new ExecutionRecord(
        pool,
        l.job(),
        l.task(),
        l.taskName(),
        l.kind().name(),
        l.attempt(),
        l.id(),
        l.consumer(),
        l.provider(),
        l.offer(),
        l.kind().module().hash(),
        Hash.sha256(l.args().getBytes(StandardCharsets.UTF_8)),
        l.inputs(),
        l.dependsOn(),
        l.kind().gasLimit(),
        l.kind().memoryBytes(),
        l.kind().cores(),
        l.kind().gpus(),
        l.submittedUs(),
        l.readyUs(),
        l.assignedUs(),
        r.startedUs(),
        r.endedUs(),
        r.outcome(),
        r.reason(),
        r.usage(),
        r.outputs(),
        r.engine(),
        r.isolation(),
        charge(l, r, price),
        Optional.empty());
  }

  /// The record of a request to a model. Pure, as [#of].
  ///
  /// @param order what the pool knew when it placed the request
  /// @param served what came of it
  /// @param offer the offer that the order names
  public static ExecutionRecord of(
      Address pool, ModelOrder order, Served served, ModelOffer offer, Model model) {
    long charge =
        served.billed()
            ? Math.min(
                order.maxCharge(),
                offer
                    .price()
                    .charge(
                        served.promptTokens(),
                        served.cachedTokens(),
                        served.completionTokens(),
                        served.rows()))
            : 0;
    return new ExecutionRecord(
        pool,
        JobId.tab(order.consumer()),
        0,
        order.requestId(),
        model.fullName(),
        1,
        order.number(),
        order.consumer(),
        offer.provider(),
        order.offer(),
        offer.model(),
        order.request().hash(),
        List.of(),
        List.of(),
        0,
        0,
        0,
        Gpus.NONE,
        order.submittedUs(),
        order.submittedUs(),
        order.assignedUs(),
        served.startedUs(),
        served.endedUs(),
        served.outcome(),
        served.reason(),
        served.usage(),
        served.answer().equals(Blob.EMPTY) ? List.of() : List.of(served.answer()),
        offer.backend(),
        "",
        charge,
        Optional.of(
            new Inference(
                order.api(),
                offer.quantisation(),
                served.promptTokens(),
                served.cachedTokens(),
                served.completionTokens(),
                served.rows(),
                served.firstTokenUs(),
                model.author(),
                offer.toAuthor(charge),
                offer.toPool(charge))));
  }

  /// What an attempt costs: nothing unless the task did its own work (DONE or TASK_FAILED) or the
  /// pool stopped it at that, never more than the lease allows.
  static long charge(Lease l, Report r, Price price) {
    return switch (r.outcome()) {
      case DONE, TASK_FAILED -> metered(l, r, price);
      case CANCELLED -> r.isStopped() ? metered(l, r, price) : 0;
      case PROVIDER_FAILED, LOST, REFUSED -> 0;
    };
  }

  private static long metered(Lease l, Report r, Price price) {
    return Math.min(
        l.maxCharge(),
        price.charge(
            l.kind().work(r.usage().gas().orElse(0), r.usage().wallNs().orElse(0)),
            l.kind().memoryBytes(),
            l.kind().gpus().count(),
            r.usage().wallNs().orElse(0),
            r.usage().bytesIn().orElse(0) + r.usage().bytesOut().orElse(0)));
  }
}
