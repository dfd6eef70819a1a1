package dev.perseid.core;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What the pool knows: the fold of its events.
public final class Pool {
  private Pool() {}

  /// The pool named `self` before its first event.
  public static Pool empty(Address self) {
    throw new UnsupportedOperationException("soon");
  }

  /// Decides the command and applies what follows.
  public List<Event> execute(Command c, long nowUs, List<Effect> effects) {
    throw new UnsupportedOperationException("soon");
  }

  /// Replays one event.
  public void apply(Event e, List<Effect> effects) {
    throw new UnsupportedOperationException("soon");
  }

  /// Writes the whole state.
  public void snapshot(DataOutput out) throws IOException {
    throw new UnsupportedOperationException("soon");
  }

  /// Reads what [#snapshot] wrote.
  public static Pool restore(DataInput in) throws IOException {
    throw new UnsupportedOperationException("soon");
  }

  /// SHA-256 of the snapshot.
  public Hash digest() {
    throw new UnsupportedOperationException("soon");
  }

  /// This pool's own address.
  public Address self() {
    throw new UnsupportedOperationException("soon");
  }

  /// A job by its id.
  public Optional<JobView> job(JobId id) {
    throw new UnsupportedOperationException("soon");
  }

  /// The newest jobs first; of one consumer, or of all where it is null.
  public List<JobView> jobs(@Nullable Address consumer, int limit) {
    throw new UnsupportedOperationException("soon");
  }

  /// A provider by its address.
  public Optional<ProviderView> provider(Address address) {
    throw new UnsupportedOperationException("soon");
  }

  /// All providers that are known, gone ones included, in the order in which they first joined.
  public List<ProviderView> providers() {
    throw new UnsupportedOperationException("soon");
  }

  /// Free credits of an account, microcredits.
  public long balance(Address account) {
    throw new UnsupportedOperationException("soon");
  }

  /// Credits of an account that are reserved for its jobs, microcredits.
  public long reserved(Address account) {
    throw new UnsupportedOperationException("soon");
  }

  /// All credits ever granted.
  public long issued() {
    throw new UnsupportedOperationException("soon");
  }

  /// An outstanding lease.
  public Optional<Lease> lease(long id) {
    throw new UnsupportedOperationException("soon");
  }

  /// An offer by its EIP-712 digest.
  public Optional<Offer> offer(Hash offerHash) {
    throw new UnsupportedOperationException("soon");
  }

  /// The outputs of a task that is done, else empty.
  public List<Blob> outputs(JobId job, int task) {
    throw new UnsupportedOperationException("soon");
  }

  /// The outputs that the job's consumer wants and that exist by now.
  public List<Result> results(JobId job) {
    throw new UnsupportedOperationException("soon");
  }

  /// The specification of a job whose graph is still held.
  public Optional<JobSpec> spec(JobId job) {
    throw new UnsupportedOperationException("soon");
  }

  /// Why is it not running, not placed, not paid, or failed?
  public Answer why(JobId job, @Nullable String taskName, long nowUs) {
    throw new UnsupportedOperationException("soon");
  }

  /// How many records were made.
  public long records() {
    throw new UnsupportedOperationException("soon");
  }

  /// How many batches were signed.
  public long batches() {
    throw new UnsupportedOperationException("soon");
  }

  /// How many jobs were accepted.
  public long jobsAccepted() {
    throw new UnsupportedOperationException("soon");
  }
}
