package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.IdentityGrpc;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import java.time.InstantSource;

/// Who the pool is and who calls: the only service that needs no session.
final class PoolIdentity extends IdentityGrpc.IdentityImplBase {
  private final PoolConfig config;
  private final Sessions sessions;
  private final Newcomers newcomers;
  private final InstantSource clock;

  PoolIdentity(PoolConfig config, Sessions sessions, Newcomers newcomers, InstantSource clock) {
    this.config = config;
    this.sessions = sessions;
    this.newcomers = newcomers;
    this.clock = clock;
  }

  @Override
  public void about(Proto.AboutRequest request, StreamObserver<Proto.AboutReply> out) {
    Address self = config.key().address();
    MoneyProto.MoneyTerms money;
    try {
      money = newcomers.mill().ask(pool -> PoolMoney.terms(pool.money(), self)).write();
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
    Hash nonce = sessions.challenge(caller, clock.millis());
    out.onNext(Proto.ChallengeReply.newBuilder().setNonce(Translation.bytes(nonce)).build());
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
      signature =
          Translation.signature(
              request.getSignature(), "signature", PoolLimits.LOGIN_SIGNATURE_BYTES);
    } catch (Malformed e) {
      out.onError(PoolJobs.invalid(e));
      return;
    }
    switch (sessions.login(
        caller, nonce, request.getRole(), signature, PoolServer.FROM.get(), clock.millis())) {
      case Login.Out(String why) ->
          out.onError(Status.UNAUTHENTICATED.withDescription(why).asRuntimeException());
      case Login.Later(String why) ->
          out.onError(Status.RESOURCE_EXHAUSTED.withDescription(why).asRuntimeException());
      case Login.In(String token, long expiresMs, Sessions.Session session) -> {
        try {
          newcomers.welcome(session);
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
}
