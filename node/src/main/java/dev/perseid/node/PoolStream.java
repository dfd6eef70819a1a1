package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.ToProvider;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Semaphore;

/// One provider's stream, the pool's end.
final class PoolStream {
  final Address provider;
  final long session;
  final Semaphore room = new Semaphore(PoolLimits.STREAM_WAITING_BYTES);
  private final StreamObserver<Proto.ToProvider> out;
  private final BlobGrants grants;
  private final Outflow<ToProvider> outflow;

  /// @param ended runs once, on the writer's thread, when the stream is over
  PoolStream(
      Address provider,
      long session,
      StreamObserver<Proto.ToProvider> out,
      BlobGrants grants,
      Runnable ended) {
    this.provider = provider;
    this.session = session;
    this.out = out;
    this.grants = grants;
    this.outflow =
        new Outflow<>(
            "to-" + provider, out, this::write, PoolLimits.STREAM_OUTGOING, Long.MAX_VALUE, ended);
  }

  /// Queues a message; cuts the provider off if too many wait. Never blocks.
  void send(ToProvider m) {
    if (!outflow.send(m, 0)) {
      close();
    }
  }

  /// Ends the stream without a word.
  void close() {
    outflow.close();
  }

  /// Ends the stream after what is queued.
  void end() {
    outflow.end();
  }

  private boolean write(ToProvider m) throws IOException {
    if (m instanceof ToProvider.Leases l) {
      grant(l.leases());
    }
    for (Proto.ToProvider part : Translation.write(m)) {
      out.onNext(part);
    }
    return !(m instanceof ToProvider.Refusal);
  }

  private void grant(List<Lease> leases) throws IOException {
    Set<Hash> named = new LinkedHashSet<>();
    for (Lease l : leases) {
      named.add(l.kind().module().hash());
      for (Blob b : l.inputs()) {
        named.add(b.hash());
      }
    }
    grants.give(provider, new ArrayList<>(named));
  }
}
