package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import dev.perseid.core.ToProvider;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The streams of all providers that are connected, and who watches jobs: where the loop's messages
/// go. Safe for any thread; sending never blocks.
final class PoolStreams implements PoolLoop.Outbox {
  /// A provider may have an old stream that is about to end beside its new one.
  private record Name(Address provider, long session) {}

  private final Map<Name, PoolStream> streams = new HashMap<>();
  private final Map<Address, Integer> ofProvider = new HashMap<>();
  private final WatchHub<JobId> watchers = new WatchHub<>();
  private final WatchHub<Address> purses = new WatchHub<>();
  private final BlobGrants grants;
  private boolean closed;

  PoolStreams(BlobGrants grants) {
    this.grants = grants;
  }

  WatchHub<JobId> watchers() {
    return watchers;
  }

  WatchHub<Address> purses() {
    return purses;
  }

  /// Takes a new stream; empty if this provider has too many already, or the pool is stopping.
  synchronized Optional<PoolStream> open(
      Address provider, long session, StreamObserver<Proto.ToProvider> out) {
    if (closed || ofProvider.getOrDefault(provider, 0) >= PoolLimits.STREAMS_OF_ONE) {
      return Optional.empty();
    }
    Name name = new Name(provider, session);
    ofProvider.merge(provider, 1, Integer::sum);
    PoolStream stream = new PoolStream(provider, session, out, grants, () -> forget(name));
    streams.put(name, stream);
    return Optional.of(stream);
  }

  private synchronized void forget(Name name) {
    if (streams.remove(name) != null) {
      ofProvider.computeIfPresent(name.provider(), (_, n) -> n == 1 ? null : n - 1);
    }
  }

  @Override
  public void send(Address provider, long session, ToProvider message) {
    PoolStream stream;
    synchronized (this) {
      stream = streams.get(new Name(provider, session));
    }
    if (stream != null) {
      stream.send(message);
    }
  }

  @Override
  public void jobChanged(JobId job) {
    watchers.changed(job);
  }

  @Override
  public void purseChanged(Address consumer) {
    purses.changed(consumer);
  }

  /// Ends all streams and takes no more.
  void close() {
    List<PoolStream> all;
    synchronized (this) {
      closed = true;
      all = new ArrayList<>(streams.values());
    }
    for (PoolStream s : all) {
      s.end();
    }
  }
}
