package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Answer;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.Comparison;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Event;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobCodec;
import dev.perseid.core.JobId;
import dev.perseid.core.JobSpec;
import dev.perseid.core.JobView;
import dev.perseid.core.Limits;
import dev.perseid.core.Platform;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Rejection;
import dev.perseid.core.Result;
import dev.perseid.core.SignedBatch;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.journal.Merkle;
import dev.perseid.journal.MerkleTree;
import dev.perseid.journal.RecordStore;
import dev.perseid.settle.Digests;
import dev.perseid.wire.JobParts;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.WireLimits;
import dev.perseid.wire.v1.JobsGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.helidon.webserver.ServerConnectionException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.PrimitiveIterator;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// What consumers and the operator ask. A consumer sees its own jobs only: another's are as unknown
/// to it as those that do not exist.
final class PoolJobs extends JobsGrpc.JobsImplBase {
  /// A job is looked at this often in the time that it has been watched, until the pause between
  /// two looks is the longest.
  private static final int WATCH_PAUSES = 8;

  private final PoolConfig config;
  private final PoolMill mill;
  private final WatchHub<JobId> watchers;
  private final BlobStore blobs;
  private final BlobGrants grants;
  private final InstantSource clock;
  private final Signatures signatures;
  private final Semaphore submitting = new Semaphore(PoolLimits.SUBMITTING_BYTES);
  private final ConcurrentHashMap<Address, Integer> submissions = new ConcurrentHashMap<>();

  PoolJobs(
      PoolConfig config,
      PoolMill mill,
      WatchHub<JobId> watchers,
      BlobStore blobs,
      BlobGrants grants,
      InstantSource clock,
      Signatures signatures) {
    this.config = config;
    this.mill = mill;
    this.watchers = watchers;
    this.blobs = blobs;
    this.grants = grants;
    this.clock = clock;
    this.signatures = signatures;
  }

  // ---- errors ----

  static StatusRuntimeException invalid(Malformed e) {
    return Status.INVALID_ARGUMENT
        .withDescription(String.valueOf(e.getMessage()))
        .asRuntimeException();
  }

  static StatusRuntimeException unavailable(PoolMill.Unavailable e) {
    return Status.UNAVAILABLE.withDescription(String.valueOf(e.getMessage())).asRuntimeException();
  }

  /// Refused; the reply says why.
  static final class Denied extends Exception {
    final Rejection rejection;

    Denied(Rejection rejection) {
      super(rejection.message(), null, false, false);
      this.rejection = rejection;
    }
  }

  interface Work {
    void run() throws Malformed, PoolMill.Unavailable, Denied, IOException;
  }

  interface OnDenied {
    void answer(Proto.Refusal refusal);
  }

  /// Runs a call and turns what goes wrong into what the caller sees.
  static void serve(StreamObserver<?> out, OnDenied denied, Work work) {
    try {
      work.run();
    } catch (Malformed e) {
      out.onError(invalid(e));
    } catch (PoolMill.Unavailable e) {
      out.onError(unavailable(e));
    } catch (Denied e) {
      denied.answer(Translation.write(e.rejection));
    } catch (IOException | UncheckedIOException e) {
      out.onError(
          Status.UNAVAILABLE
              .withDescription("the pool's disk failed: " + e.getMessage())
              .asRuntimeException());
    } catch (ServerConnectionException e) {
      return; // It wrote to a connection that was lost.
    } catch (RuntimeException e) {
      if (Status.fromThrowable(e).getCode() == Status.Code.CANCELLED) {
        return; // It wrote to somebody who had hung up.
      }
      System.getLogger(PoolJobs.class.getName()).log(System.Logger.Level.ERROR, "bug", e);
      out.onError(
          Status.INTERNAL
              .withDescription("a bug in the pool; its operator's log has more")
              .asRuntimeException());
    }
  }

  /// Whoever it was has been logged out, or its key was revoked.
  static StatusRuntimeException revoked() {
    return Status.UNAUTHENTICATED
        .withDescription("the session has ended, or the key was revoked")
        .asRuntimeException();
  }

  /// Refuses what the account did not sign.
  ///
  /// @param what begins the sentence
  static void signed(
      Signatures signatures, Address account, Hash digest, String signature, String what)
      throws Denied, PoolMill.Unavailable {
    switch (signatures.look(account, digest, signature)) {
      case Signatures.Verdict.Signed _ -> {}
      case Signatures.Verdict.NotSigned(String why) ->
          throw new Denied(new Rejection(Rejection.Code.FORBIDDEN, what + " " + why));
      case Signatures.Verdict.Unknown(String why) -> throw new PoolMill.Unavailable(why);
    }
  }

  static <T> void reply(StreamObserver<T> out, T answer) {
    out.onNext(answer);
    out.onCompleted();
  }

  private static Sessions.Session caller() {
    return PoolServer.CALLER.get();
  }

  private long nowUs() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }

  // ---- jobs ----

  private static Denied unknown(JobId job) {
    return new Denied(
        new Rejection(
            Rejection.Code.UNKNOWN,
            "you have no job " + job + " in this pool: `perseid jobs` lists yours"));
  }

  private static boolean sees(Sessions.Session caller, Address consumer) {
    return caller.role.seesAll() || caller.caller.equals(consumer);
  }

  private JobView visible(Sessions.Session caller, JobId job) throws Denied, PoolMill.Unavailable {
    Optional<JobView> view = mill.ask(pool -> pool.job(job));
    if (view.isEmpty() || !sees(caller, view.get().consumer())) {
      throw unknown(job);
    }
    return view.get();
  }

  @Override
  public StreamObserver<Proto.SubmitPart> submit(StreamObserver<Proto.SubmitReply> out) {
    Submission submission = new Submission(caller().caller, out);
    submission.open();
    return submission;
  }

  /// Collects a job's parts and submits it at the end.
  private final class Submission implements StreamObserver<Proto.SubmitPart> {
    private final Address consumer;
    private final StreamObserver<Proto.SubmitReply> out;
    private final JobParts parts;
    // Half a submission holds memory: who leaves it open does so for a limited time only.
    private final CompletableFuture<Void> deadline = new CompletableFuture<>();
    private int bytes;
    private boolean over;

    Submission(Address consumer, StreamObserver<Proto.SubmitReply> out) {
      this.consumer = consumer;
      this.out = out;
      this.parts = new JobParts(consumer);
    }

    synchronized void open() {
      int open = submissions.merge(consumer, 1, Integer::sum);
      var _ =
          deadline.whenComplete((_, late) -> {
            submissions.computeIfPresent(consumer, (_, n) -> n == 1 ? null : n - 1);
            if (late != null) {
              expire();
            }
          });
      if (open > PoolLimits.SUBMISSIONS_OF_ONE) {
        fail(
            Status.RESOURCE_EXHAUSTED.withDescription(
                "you are submitting "
                    + PoolLimits.SUBMISSIONS_OF_ONE
                    + " jobs already: try again when one of them is in"));
      } else {
        var _ = deadline.orTimeout(PoolLimits.SUBMISSION_MS, TimeUnit.MILLISECONDS);
      }
    }

    private synchronized void expire() {
      if (!over) {
        fail(
            Status.DEADLINE_EXCEEDED.withDescription(
                "a job must be submitted within " + PoolLimits.SUBMISSION_MS + " ms"));
      }
    }

    @Override
    public synchronized void onNext(Proto.SubmitPart part) {
      if (over) {
        return;
      }
      int size = part.getSerializedSize();
      if (bytes + size > PoolLimits.JOB_BYTES) {
        fail(
            Status.INVALID_ARGUMENT.withDescription(
                "the job is larger than " + PoolLimits.JOB_BYTES + " bytes: split it"));
        return;
      }
      if (!submitting.tryAcquire(size)) {
        fail(
            Status.RESOURCE_EXHAUSTED.withDescription(
                "too many large jobs are being submitted: try again in a few seconds"));
        return;
      }
      bytes += size;
      try {
        parts.add(part);
      } catch (Malformed e) {
        fail(Status.INVALID_ARGUMENT.withDescription(String.valueOf(e.getMessage())));
      }
    }

    private void fail(Status status) {
      release();
      out.onError(status.asRuntimeException());
    }

    private void release() {
      over = true;
      submitting.release(bytes);
      bytes = 0;
      deadline.complete(null);
    }

    @Override
    public synchronized void onError(Throwable t) {
      if (!over) {
        release();
      }
    }

    @Override
    public synchronized void onCompleted() {
      if (over) {
        return;
      }
      try {
        serve(
            out,
            refusal -> reply(out, Proto.SubmitReply.newBuilder().setRefusal(refusal).build()),
            () -> {
              JobSpec job = parts.job();
              accept(job, parts.signature());
              reply(
                  out, Proto.SubmitReply.newBuilder().setJob(Translation.bytes(job.id())).build());
            });
      } finally {
        release();
      }
    }

    private void accept(JobSpec job, String signature) throws Denied, PoolMill.Unavailable {
      Hash order =
          Digests.order(
              config.key().address(), consumer, job.nonce(), job.budget(), JobCodec.specHash(job));
      signed(
          signatures,
          consumer,
          order,
          signature,
          "header.signature over the JobOrder whose EIP-712 digest is " + order);
      String missing = missing(job);
      if (missing != null) {
        throw new Denied(new Rejection(Rejection.Code.INVALID, missing));
      }
      switch (mill.command(new Command.SubmitJob(job, signature))) {
        case PoolLoop.Reply.Done _ -> {}
        case PoolLoop.Reply.Refused(Rejection r) -> throw new Denied(r);
      }
    }

    private @Nullable String missing(JobSpec job) {
      Set<Blob> checked = new HashSet<>();
      for (TaskKind kind : job.kinds()) {
        if (checked.add(kind.module()) && lacks(consumer, kind.module())) {
          return "the module of kind '" + kind.name() + "' (" + named(kind.module());
        }
        if (kind.form() instanceof Form.Native(Platform _, Comparison.Module(Blob compares), Gpus _)
            && checked.add(compares)
            && lacks(consumer, compares)) {
          return "the module that compares results of kind '"
              + kind.name()
              + "' ("
              + named(compares);
        }
      }
      for (int t = 0; t < job.tasks().size(); t++) {
        TaskSpec task = job.tasks().get(t);
        for (int i = 0; i < task.inputs().size(); i++) {
          if (task.inputs().get(i) instanceof Input.Stored(Blob blob)
              && checked.add(blob)
              && lacks(consumer, blob)) {
            // The kind may be out of range: the core says so, once the blobs are here.
            return "input "
                + i
                + " of task "
                + (task.ownName() != null ? "'" + task.ownName() + "'" : "number " + t)
                + " ("
                + named(blob);
          }
        }
      }
      return null;
    }

    private String named(Blob blob) {
      return blob.hash().hex()
          + ", "
          + blob.sizeBytes()
          + " bytes) is not in the pool, or not stored by you: PUT /v1/blobs/"
          + blob.hash().hex()
          + " first";
    }
  }

  /// Whether the pool lacks a blob, as far as `who` may know.
  private boolean lacks(Address who, Blob blob) {
    return !blob.equals(Blob.EMPTY) && !(grants.has(who, blob.hash()) && blobs.has(blob));
  }

  @Override
  public void cancel(Proto.CancelRequest request, StreamObserver<Proto.CancelReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.CancelReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          JobId job = Translation.job(request.getJob(), "job");
          visible(caller, job);
          boolean operator = caller.role.operates();
          switch (mill.command(new Command.CancelJob(job, caller.caller, operator))) {
            case PoolLoop.Reply.Done _ -> reply(out, Proto.CancelReply.getDefaultInstance());
            case PoolLoop.Reply.Refused(Rejection r) -> throw new Denied(r);
          }
        });
  }

  @Override
  public void list(Proto.ListRequest request, StreamObserver<Proto.ListReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> out.onError(denied(refusal)),
        () -> {
          if (request.getAll() && !caller.role.seesAll()) {
            throw new Denied(
                new Rejection(
                    Rejection.Code.FORBIDDEN, "only operators and auditors see all jobs"));
          }
          int limit =
              request.getLimit() <= 0
                  ? PoolLimits.LISTED_JOBS
                  : Math.min(request.getLimit(), PoolLimits.LISTED_JOBS);
          List<JobView> jobs =
              mill.ask(pool -> pool.jobs(request.getAll() ? null : caller.caller, limit));
          Proto.ListReply.Builder b = Proto.ListReply.newBuilder();
          for (JobView view : jobs) {
            b.addJobs(Translation.write(view));
          }
          reply(out, b.build());
        });
  }

  static StatusRuntimeException denied(Proto.Refusal refusal) {
    Status status =
        switch (refusal.getCode()) {
          case "UNKNOWN" -> Status.NOT_FOUND;
          case "FORBIDDEN" -> Status.PERMISSION_DENIED;
          case "OVERLOADED" -> Status.RESOURCE_EXHAUSTED;
          default -> Status.INVALID_ARGUMENT;
        };
    return status.withDescription(refusal.getMessage()).asRuntimeException();
  }

  @Override
  public void watch(Proto.WatchRequest request, StreamObserver<Proto.JobProgress> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> out.onError(denied(refusal)),
        () -> {
          JobId job = Translation.job(request.getJob(), "job");
          Optional<WatchHub<JobId>.Watcher> watcher = watchers.watch(job);
          if (watcher.isEmpty()) {
            throw new Denied(
                new Rejection(
                    Rejection.Code.OVERLOADED, "too many watch jobs: try again in a minute"));
          }
          // On this thread: Helidon forgets a call, which counts against its connection's limit,
          // only if its answer was complete when its own thread ended.
          try (WatchHub<JobId>.Watcher bell = watcher.get()) {
            follow(caller, job, visible(caller, job), bell, out);
          }
        });
  }

  private void follow(
      Sessions.Session caller,
      JobId job,
      JobView first,
      WatchHub<JobId>.Watcher watcher,
      StreamObserver<Proto.JobProgress> out) {
    try {
      long begunNs = System.nanoTime();
      JobView view = first;
      JobView told = null;
      while (true) {
        if (!view.equals(told)) {
          out.onNext(Translation.write(view)); // throws once the caller has gone
          told = view;
        }
        if (view.state() != Event.JobState.RUNNING) {
          out.onCompleted();
          return;
        }
        // A short job's end is told soon, a long one's progress not too often.
        long ageMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begunNs);
        Thread.sleep(Math.min(PoolLimits.WATCH_PAUSE_MS, ageMs / WATCH_PAUSES));
        watcher.await(PoolLimits.WATCH_LOOK_MS);
        if (caller.isOver()) {
          out.onError(revoked());
          return;
        }
        if (out instanceof io.grpc.stub.ServerCallStreamObserver<?> call && call.isCancelled()) {
          return;
        }
        Optional<JobView> next = mill.ask(pool -> pool.job(job));
        if (next.isEmpty()) {
          out.onError(Status.NOT_FOUND.withDescription("the job is gone").asRuntimeException());
          return;
        }
        view = next.get();
      }
    } catch (PoolMill.Unavailable e) {
      out.onError(unavailable(e));
    } catch (InterruptedException | RuntimeException e) {
      // The caller has gone.
    }
  }

  @Override
  public void results(Proto.ResultsRequest request, StreamObserver<Proto.ResultsReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.ResultsReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          JobId job = Translation.job(request.getJob(), "job");
          visible(caller, job);
          List<Result> results = mill.ask(pool -> pool.results(job));
          Set<Hash> named = new LinkedHashSet<>();
          Proto.ResultsReply.Builder b = Proto.ResultsReply.newBuilder();
          for (Result r : results) {
            named.add(r.blob().hash());
            b.addOutputs(Translation.write(r));
          }
          grants.give(caller.caller, named);
          reply(out, b.build());
        });
  }

  @Override
  public void why(Proto.WhyRequest request, StreamObserver<Proto.WhyReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.WhyReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          if (!request.getProvider().isEmpty()) {
            Address provider = Translation.address(request.getProvider(), "provider");
            long now = nowUs();
            answer(out, mill.ask(pool -> pool.why(provider, now)));
            return;
          }
          JobId job = Translation.job(request.getJob(), "job");
          String task = request.getTaskName();
          PrimitiveIterator.OfLong recorded = recordsOf(caller, job);
          Optional<JobView> view = mill.ask(pool -> pool.job(job));
          boolean running = view.isPresent() && view.get().state() == Event.JobState.RUNNING;
          Answer a;
          if (running || task.isEmpty()) {
            long now = nowUs();
            a = mill.ask(pool -> pool.why(job, task.isEmpty() ? null : task, now));
          } else {
            a =
                PoolHindsight.of(
                    task,
                    attempts(recorded, task),
                    view.map(PoolJobs::ending).orElse("long ago: only its records are left"));
          }
          answer(out, a);
        });
  }

  private static void answer(StreamObserver<Proto.WhyReply> out, Answer a) {
    reply(
        out,
        Proto.WhyReply.newBuilder()
            .setSentence(a.sentence())
            .addAllWouldHelp(a.wouldHelp())
            .build());
  }

  private List<ExecutionRecord> attempts(PrimitiveIterator.OfLong indices, String task)
      throws PoolMill.Unavailable {
    RecordStore records = mill.records();
    List<ExecutionRecord> found = new ArrayList<>();
    while (indices.hasNext() && found.size() < Limits.ATTEMPTS_IN_ALL) {
      ExecutionRecord r = EntryCodec.decode(records.entry(indices.nextLong())).record();
      if (r.taskName().equals(task)) {
        found.add(r);
      }
    }
    return found;
  }

  private static String ending(JobView job) {
    return job.state() == Event.JobState.DONE ? "all of its tasks are done" : job.reason();
  }

  // ---- records ----

  /// The indices of a job's records, after a look at whether the caller may see them. A job that
  /// has left the state lives on in its records.
  private PrimitiveIterator.OfLong recordsOf(Sessions.Session caller, JobId job)
      throws Denied, PoolMill.Unavailable {
    RecordStore records = mill.records();
    Optional<JobView> view = mill.ask(pool -> pool.job(job));
    Optional<Address> consumer = view.map(JobView::consumer);
    if (consumer.isEmpty()) {
      PrimitiveIterator.OfLong any = records.entriesOf(job);
      if (any.hasNext()) {
        consumer =
            Optional.of(EntryCodec.decode(records.entry(any.nextLong())).record().consumer());
      }
    }
    if (consumer.isEmpty() || !sees(caller, consumer.get())) {
      throw unknown(job);
    }
    return records.entriesOf(job);
  }

  @Override
  public void records(Proto.RecordsRequest request, StreamObserver<Proto.RecordsPart> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.RecordsPart.newBuilder().setRefusal(refusal).build()),
        () -> {
          Optional<JobId> job = Translation.jobIfGiven(request.getJob(), "job");
          RecordStore records = mill.records();
          boolean all = job.isEmpty();
          PrimitiveIterator.OfLong indices =
              all
                  ? LongStream.range(Math.max(0, request.getFromIndex()), records.count())
                      .iterator()
                  : recordsOf(caller, job.get());
          Proto.RecordsPart.Builder part = Proto.RecordsPart.newBuilder();
          long bytes = 0;
          long sent = 0;
          while (indices.hasNext() && (request.getLimit() <= 0 || sent < request.getLimit())) {
            long index = indices.nextLong();
            if (index < request.getFromIndex()) {
              continue;
            }
            byte[] entry = records.entry(index);
            if (all && !sees(caller, EntryCodec.decode(entry).record().consumer())) {
              continue;
            }
            part.addEntries(ByteString.copyFrom(entry));
            sent++;
            bytes += entry.length + 4;
            if (bytes >= WireLimits.PART_BYTES) {
              out.onNext(part.build());
              part.clear();
              bytes = 0;
            }
          }
          if (part.getEntriesCount() > 0) {
            out.onNext(part.build());
          }
          out.onCompleted();
        });
  }

  @Override
  public void receipts(Proto.ReceiptsRequest request, StreamObserver<Proto.ReceiptsPart> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.ReceiptsPart.newBuilder().setRefusal(refusal).build()),
        () -> {
          Optional<JobId> job = Translation.jobIfGiven(request.getJob(), "job");
          RecordStore records = mill.records();
          long count = records.count();
          if (request.getAtSize() < 0 || request.getAtSize() > count) {
            throw new Denied(
                new Rejection(
                    Rejection.Code.INVALID,
                    "the log has "
                        + count
                        + " records and was never "
                        + request.getAtSize()
                        + " long: write a size from 1 to "
                        + count));
          }
          long size = request.getAtSize() == 0 ? count : request.getAtSize();
          PrimitiveIterator.OfLong indices =
              job.isEmpty()
                  ? LongStream.range(Math.max(0, request.getFromIndex()), size).iterator()
                  : recordsOf(caller, job.get());
          Receipt.TreeHead head = head(records, size);
          long lastBatch = -1;
          SignedBatch batch = null;
          MerkleTree leaves = new MerkleTree();
          Proto.ReceiptsPart.Builder part = Proto.ReceiptsPart.newBuilder();
          long bytes = 0;
          long sent = 0;
          while (indices.hasNext() && (request.getLimit() <= 0 || sent < request.getLimit())) {
            long index = indices.nextLong();
            if (index >= size) {
              break; // younger than the head
            }
            if (index < request.getFromIndex()) {
              continue;
            }
            byte[] canonical = records.entry(index);
            Entry entry = EntryCodec.decode(canonical);
            if (job.isEmpty() && !sees(caller, entry.record().consumer())) {
              continue;
            }
            if (entry.attestation() instanceof Entry.Attestation.Signed s
                && s.batch() != lastBatch) {
              batch = records.batch(s.batch());
              leaves = new MerkleTree();
              Merkle.leafHashes(batch.digests()).forEach(leaves::append);
              lastBatch = s.batch();
            }
            String receipt =
                Receipt.write(
                    entry,
                    canonical,
                    Optional.ofNullable(batch),
                    leaves,
                    head,
                    records.tree().path(index, size));
            part.addReceipts(receipt);
            sent++;
            bytes += receipt.length() + 4;
            if (bytes >= WireLimits.PART_BYTES) {
              out.onNext(part.build());
              part.clear();
              bytes = 0;
            }
          }
          if (part.getReceiptsCount() > 0) {
            out.onNext(part.build());
          }
          out.onCompleted();
        });
  }

  private Receipt.TreeHead head(RecordStore records, long size) {
    Hash root = records.tree().root(size);
    long now = nowUs();
    Address pool = config.key().address();
    return new Receipt.TreeHead(
        size, root, now, config.key().sign(Digests.treeHead(pool, root, size, now)));
  }

  // ---- providers and accounts ----

  @Override
  public void listProviders(
      Proto.ListProvidersRequest request, StreamObserver<Proto.ListProvidersReply> out) {
    serve(
        out,
        refusal -> out.onError(denied(refusal)),
        () -> {
          List<ProviderView> all = mill.ask(pool -> pool.providers());
          Proto.ListProvidersReply.Builder b = Proto.ListProvidersReply.newBuilder();
          for (ProviderView p : all) {
            b.addProviders(Translation.write(p));
          }
          reply(out, b.build());
        });
  }

  @Override
  public void account(Proto.AccountRequest request, StreamObserver<Proto.AccountReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> reply(out, Proto.AccountReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          Address account =
              request.getAccount().isEmpty()
                  ? caller.caller
                  : Translation.address(request.getAccount(), "account");
          if (!sees(caller, account)) {
            throw new Denied(
                new Rejection(
                    Rejection.Code.FORBIDDEN, "only the operator sees the accounts of others"));
          }
          reply(
              out,
              mill.ask(pool ->
                  Proto.AccountReply.newBuilder()
                      .setAccount(Translation.bytes(account))
                      .setBalance(pool.balance(account))
                      .setReserved(pool.reserved(account))
                      .setDue(pool.account(account).due())
                      .setPaid(pool.account(account).paid())
                      .build()));
        });
  }

  @Override
  public void grant(Proto.GrantRequest request, StreamObserver<Proto.GrantReply> out) {
    serve(
        out,
        refusal -> reply(out, Proto.GrantReply.newBuilder().setRefusal(refusal).build()),
        () -> {
          Address to = Translation.address(request.getTo(), "to");
          if (request.getAmount() <= 0 || request.getMemo().length() > Limits.REASON_CHARS) {
            throw new Malformed(
                "a grant needs an amount of at least 1 microcredit and a memo of at most "
                    + Limits.REASON_CHARS
                    + " characters");
          }
          switch (mill.command(new Command.Grant(to, request.getAmount(), request.getMemo()))) {
            case PoolLoop.Reply.Done _ -> reply(out, Proto.GrantReply.getDefaultInstance());
            case PoolLoop.Reply.Refused(Rejection r) -> throw new Denied(r);
          }
        });
  }

  @Override
  public void missingBlobs(
      Proto.MissingBlobsRequest request, StreamObserver<Proto.MissingBlobsReply> out) {
    Sessions.Session caller = caller();
    serve(
        out,
        refusal -> out.onError(denied(refusal)),
        () -> {
          if (request.getBlobsCount() > WireLimits.ASKED_BLOBS) {
            throw new Malformed(
                "blobs has "
                    + request.getBlobsCount()
                    + " elements: ask for at most "
                    + WireLimits.ASKED_BLOBS
                    + " at once");
          }
          List<Blob> asked = new ArrayList<>(request.getBlobsCount());
          for (Proto.Blob b : request.getBlobsList()) {
            asked.add(Translation.read(b, "blobs[" + asked.size() + "]"));
          }
          Proto.MissingBlobsReply.Builder b = Proto.MissingBlobsReply.newBuilder();
          for (Blob blob : asked) {
            if (lacks(caller.caller, blob)) {
              b.addMissing(Translation.bytes(blob.hash()));
            }
          }
          reply(out, b.build());
        });
  }
}
