package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.chain.Commitment;
import dev.perseid.chain.Due;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Limits;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.MoneyProto;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// One story about money, told of both vaults: credits in the log, and the escrow on a real chain.
class VaultTest {
  private static final long FUNDS = 2_000_000;

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource(MoneyScene.Ledger.class)
  void workIsPaidAsItIsDoneAndSettled(MoneyScene.Ledger ledger) throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, ledger, 1)) {
      scene.fund(scene.consumerKey.address(), FUNDS);
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        long charged = scene.work(provider, 20);
        assertThat(charged).isPositive();
        assertThat(scene.account(scene.consumerKey.address()).balance()).isEqualTo(FUNDS - charged);
        assertThat(scene.purse().spent()).isEqualTo(charged);
        assertThat(scene.account(scene.providerKey.address()).due()).isEqualTo(charged);
        assertThat(scene.got(scene.providerKey.address())).isZero();

        MoneyProto.SettleReply settled = scene.settle();
        assertThat(settled.getNothing()).isFalse();
        assertThat(settled.getEpoch()).isEqualTo(1);
        assertThat(settled.getVouchers()).isEqualTo(1);
        assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
        assertThat(scene.account(scene.providerKey.address()).due()).isZero();
        assertThat(scene.purse().redeemed()).isEqualTo(charged);
        scene.booksAddUp();

        // Nothing is due: nothing is paid again, whoever asks, also after a restart.
        assertThat(scene.settle().getNothing()).isTrue();
      }
      scene.restart();
      assertThat(scene.settle().getNothing()).isTrue();
      long before = scene.got(scene.providerKey.address());
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        long more = scene.work(provider, 3);
        assertThat(scene.settle().getEpoch()).isEqualTo(2);
        assertThat(scene.got(scene.providerKey.address())).isEqualTo(before + more);
      }
      scene.booksAddUp();
      assertThat(scene.notices).isEmpty();
    }
  }

  @ParameterizedTest
  @EnumSource(MoneyScene.Ledger.class)
  void nothingBeginsThatNoVoucherCovers(MoneyScene.Ledger ledger) throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, ledger, 1);
        PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
      scene.fund(scene.consumerKey.address(), FUNDS);
      provider.joined().working();
      try (PoolClient client = scene.consumer();
          PoolCaller caller = new PoolCaller(scene.node.port(), scene.consumerKey, "consumer")) {
        JobId job = caller.accepted(scene.job(caller, 4));
        Until.holds(() -> wanted(client) > 0);
        assertThat(client.why(job, "").sentence()).contains("voucher");
        assertThat(caller.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobs(0).getDone())
            .isZero();

        VoucherTerms terms = client.terms();
        // More than was put in; not for this pool; somebody else's signature; nothing at all.
        refused(
            client, terms, scene.consumerKey, FUNDS + 1, "UNCOVERED|INSUFFICIENT_CREDITS|INVALID");
        VoucherTerms other =
            new VoucherTerms(
                terms.escrow(),
                true,
                terms.chainId() + 1,
                terms.contract(),
                terms.token(),
                terms.identity());
        refused(client, other, scene.consumerKey, 1_000, "FORBIDDEN");
        refused(client, terms, scene.providerKey, 1_000, "FORBIDDEN");
        assertThatThrownBy(
                () -> client.pay(0, scene.consumerKey.sign(terms.digest(client.self(), 0))))
            .isInstanceOf(PoolFailure.class);

        // A voucher that covers a part lets that part go on; the same again does nothing.
        long some = wanted(client);
        for (int i = 0; i < 2; i++) {
          client.pay(some, scene.consumerKey.sign(terms.digest(client.self(), some)));
        }
        Until.holds(() -> done(caller) >= 1);
        client.pay(FUNDS, scene.consumerKey.sign(terms.digest(client.self(), FUNDS)));
        assertThat(caller.finished(job).getState()).isEqualTo("done");
        // Below what was spent.
        refused(client, terms, scene.consumerKey, 1, "INVALID|UNCOVERED");
      }
      scene.booksAddUp();
    }
  }

  private static long wanted(PoolClient client) {
    try {
      return client.purse(Optional.empty()).wanted();
    } catch (PoolFailure e) {
      throw new AssertionError(e);
    }
  }

  private static int done(PoolCaller caller) {
    return caller.jobs().list(Proto.ListRequest.getDefaultInstance()).getJobs(0).getDone();
  }

  private static void refused(
      PoolClient client, VoucherTerms terms, Key key, long amount, String codes) {
    assertThatThrownBy(() -> client.pay(amount, key.sign(terms.digest(client.self(), amount))))
        .isInstanceOfSatisfying(
            PoolFailure.class, e -> assertThat(e.code()).as(e.getMessage()).matches(codes));
  }

  @ParameterizedTest
  @EnumSource(MoneyScene.Ledger.class)
  void whoIsDueLittleGetsItToo(MoneyScene.Ledger ledger) throws Exception {
    // On a chain small payouts are not sent: they are claimed. On credits everything is paid.
    try (MoneyScene scene =
            new MoneyScene(folder, ledger, ledger == MoneyScene.Ledger.ESCROW ? 1_000_000_000 : 1);
        PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
      scene.fund(scene.consumerKey.address(), FUNDS);
      provider.joined().working();
      long charged = scene.work(provider, 5);
      scene.settle();
      if (ledger == MoneyScene.Ledger.ESCROW) {
        ChainLab lab = scene.lab.orElseThrow();
        assertThat(scene.got(scene.providerKey.address())).isZero();
        try (PoolClient payee = scene.client(scene.providerKey, PoolClient.Role.CONSUMER)) {
          MoneyProto.ClaimReply claim = payee.claim(Optional.empty());
          assertThat(claim.getCumulative()).isEqualTo(charged);
          List<Hash> proof = new ArrayList<>();
          for (var h : claim.getProofList()) {
            proof.add(Translation.hash(h, "proof"));
          }
          lab.done(
              lab.escrow.claim(
                  scene.node.address(),
                  claim.getEpoch(),
                  new Due(scene.providerKey.address(), claim.getCumulative()),
                  proof,
                  new Commitment(
                      Translation.hash(claim.getPayoutRoot(), "payout_root"),
                      Translation.address(claim.getLog(), "log"),
                      claim.getRecordsSize(),
                      Translation.hash(claim.getRecordsRoot(), "records_root"))));
        }
      }
      assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
      Until.holds(() -> scene.account(scene.providerKey.address()).due() == 0);
      assertThat(scene.settle().getNothing()).isTrue();
      assertThat(scene.got(scene.providerKey.address())).isEqualTo(charged);
      scene.booksAddUp();
    }
  }

  @ParameterizedTest
  @EnumSource(MoneyScene.Ledger.class)
  void whoLeavesGetsTheRest(MoneyScene.Ledger ledger) throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, ledger, 1);
        PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
      Address consumer = scene.consumerKey.address();
      scene.fund(consumer, FUNDS);
      provider.joined().working();
      long charged = scene.work(provider, 5);
      scene.settle();
      switch (ledger) {
        case CREDITS -> {
          try (PoolClient client = scene.consumer()) {
            client.leave("ask");
          }
        }
        case ESCROW ->
            scene
                .lab
                .orElseThrow()
                .doneBy(
                    scene.consumerKey,
                    folder,
                    scene.lab.get().escrow.askExit(scene.node.address()));
      }
      Until.holds(() -> leaving(scene));
      try (PoolCaller caller = new PoolCaller(scene.node.port(), scene.consumerKey, "consumer")) {
        assertThat(caller.submit(scene.job(caller, 1)).getRefusal().getMessage()).contains("leav");
      }
      switch (ledger) {
        case CREDITS -> {
          try (PoolClient client = scene.consumer()) {
            assertThatThrownBy(() -> client.leave("take")).isInstanceOf(PoolFailure.class);
          }
          scene.offsetMs.addAndGet(Limits.EXIT_DELAY_MS + 1_000);
          try (PoolClient client = scene.consumer()) {
            client.leave("take");
          }
        }
        case ESCROW -> {
          ChainLab lab = scene.lab.orElseThrow();
          lab.local.pass(Limits.EXIT_DELAY_MS / 1_000 + 1);
          lab.doneBy(scene.consumerKey, folder, lab.escrow.exit(scene.node.address(), consumer));
          assertThat(lab.has(consumer)).isEqualTo(FUNDS - charged);
        }
      }
      Until.holds(() -> scene.account(consumer).balance() == 0);
      scene.booksAddUp();
    }
  }

  private static boolean leaving(MoneyScene scene) {
    try {
      return scene.purse().leavingAtUs().isPresent();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  @ParameterizedTest
  @EnumSource(MoneyScene.Ledger.class)
  void theMoneyBookIsMendedByTheLog(MoneyScene.Ledger ledger) throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, ledger, 1)) {
      scene.fund(scene.consumerKey.address(), FUNDS);
      try (PuppetProvider provider = new PuppetProvider(scene.node.port(), scene.providerKey)) {
        provider.joined().working();
        scene.work(provider, 5);
      }
      scene.settle();
      long count = scene.node.mill().book().count();
      scene.node.close();
      // As if the power had gone before anything of the book reached the disk.
      for (String name : List.of("movements", "movements.index", "synced")) {
        Files.delete(folder.resolve("pool").resolve("money").resolve(name));
      }
      scene.node = scene.open();
      assertThat(scene.node.mill().book().count()).isEqualTo(count);
      scene.booksAddUp();
    }
  }
}
