package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.InstantSource;
import java.util.Optional;

/// Who the pool is and who calls: the only service that needs no session.
final class PoolIdentity extends IdentityGrpc.IdentityImplBase {
  private final PoolConfig config;
  private final Sessions sessions;
  private final PoolMill mill;
  private final InstantSource clock;

  PoolIdentity(PoolConfig config, Sessions sessions, PoolMill mill, InstantSource clock) {
    this.config = config;
    this.sessions = sessions;
    this.mill = mill;
    this.clock = clock;
  }

  @Override
  public void about(Proto.AboutRequest request, StreamObserver<Proto.AboutReply> out) {
    Address self = config.key().address();
    MoneyProto.MoneyTerms money;
    try {
      money = mill.ask(pool -> PoolMoney.terms(pool.money(), self)).write();
    } catch (PoolMill.Unavailable e) {
      out.onError(PoolJobs.unavailable(e));
      return;
    }
    out.onNext(
        Proto.AboutReply.newBuilder()
            .setPool(Translation.bytes(self))
            .setVersion(config.version())
            .setProtocol(1)
            .setMoney(money)
            .build());
    out.onCompleted();
  }

  @Override
  public void challenge(Proto.ChallengeRequest request, StreamObserver<Proto.ChallengeReply> out) {
    Address caller;
    try {
      caller = Translation.address(request.getCaller(), "caller");
    } catch (Malformed e) {
      out.onError(PoolJobs.invalid(e));
      return;
    }
    Optional<Hash> nonce = sessions.challenge(caller, clock.millis());
    if (nonce.isEmpty()) {
      out.onError(
          Status.RESOURCE_EXHAUSTED
              .withDescription("too many log in at the moment: try again in a few seconds")
              .asRuntimeException());
      return;
    }
    out.onNext(Proto.ChallengeReply.newBuilder().setNonce(Translation.bytes(nonce.get())).build());
    out.onCompleted();
  }

  @Override
  public void login(Proto.LoginRequest request, StreamObserver<Proto.LoginReply> out) {
    Address caller;
    Hash nonce;
    String signature;
    try {
      caller = Translation.address(request.getCaller(), "caller");
      nonce = Translation.hash(request.getNonce(), "nonce");
      signature = Translation.signature(request.getSignature(), "signature");
    } catch (Malformed e) {
      out.onError(PoolJobs.invalid(e));
      return;
    }
    switch (sessions.login(caller, nonce, request.getRole(), signature, clock.millis())) {
      case Sessions.Login.Out(String why) ->
          out.onError(Status.UNAUTHENTICATED.withDescription(why).asRuntimeException());
      case Sessions.Login.In(String token, long expiresMs) -> {
        try {
          welcome(caller, request.getRole());
        } catch (PoolMill.Unavailable e) {
          out.onError(PoolJobs.unavailable(e));
          return;
        }
        out.onNext(
            Proto.LoginReply.newBuilder().setToken(token).setExpiresUs(expiresMs * 1_000).build());
        out.onCompleted();
      }
    }
  }

  /// Gives a consumer that never had an account here its welcome credits.
  private void welcome(Address caller, String role) throws PoolMill.Unavailable {
    if (config.welcomeMicrocredits() > 0 && role.equals(Sessions.Role.CONSUMER.word())) {
      // If it is refused (accounts are at their limit), the consumer is in all the same.
      mill.command(new Command.Welcome(caller, config.welcomeMicrocredits()));
    }
  }
}
