package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.chain.Abi;
import dev.perseid.chain.At;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Registry;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Bond;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Outcome;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Verification;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Providers with something at stake on a real chain, under the pool that they work for.
@Timeout(120)
class BondedProvidersTest {
  private static final long BONDED = 100_000_000;

  @TempDir Path folder;
  private final Key liar = Key.generate();

  private static ProviderView view(MoneyScene scene, Key provider) {
    try {
      return scene.node.mill().ask(pool -> pool.provider(provider.address())).orElseThrow();
    } catch (PoolMill.Unavailable e) {
      throw new AssertionError(e);
    }
  }

  private Collateral bonded(ChainLab lab, MoneyScene scene, Key provider, Key payer)
      throws Exception {
    Collateral collateral = new Collateral(lab.local.chain(), lab.deployment.collateral());
    Address arbiter = scene.node.address();
    lab.doneBy(
        provider,
        folder,
        new Registry(lab.local.chain(), lab.deployment.registry())
            .register(Registry.PROVIDER, Address.ZERO, "", Hash.ZERO));
    lab.done(lab.token.mint(payer.address(), BONDED));
    lab.doneBy(payer, folder, lab.token.approve(collateral.address(), BONDED));
    lab.doneBy(payer, folder, collateral.bond(provider.address(), arbiter, 0, BONDED));
    return collateral;
  }

  private static void lie(PuppetProvider puppet) {
    Thread.ofVirtual()
        .start(() -> {
          try {
            puppet.work(
                lease ->
                    puppet.report(
                        lease,
                        Outcome.DONE,
                        Collections.nCopies(lease.outputs(), Blob.EMPTY),
                        2_000), // others use half of the gas
                _ -> false);
          } catch (Exception | AssertionError e) {
            // the stream was closed
          }
        });
  }

  /// The evidence of the last slashing.
  private Hash slashed(ChainLab lab) throws Exception {
    return lab.local
        .chain()
        .logs(
            lab.deployment.collateral(),
            List.of(Abi.topic("Slashed(address,address,bytes32,uint256,uint256)")),
            Abi.topic(liar.address()),
            0,
            lab.local.chain().head())
        .getLast()
        .topics()
        .get(3);
  }

  private void runJob(MoneyScene scene) throws Exception {
    try (PoolClient client = scene.consumer();
        PoolCaller caller = new PoolCaller(scene.node.port(), scene.consumerKey, "consumer")) {
      JobSpec s = scene.job(caller, 6);
      JobSpec job =
          new JobSpec(
              s.consumer(),
              s.nonce(),
              s.name(),
              0,
              s.budget(),
              s.kinds(),
              s.tasks(),
              s.results(),
              Verification.usual());
      try (Payer _ =
          Payer.start(
              client, scene.wallet(client), Payer.usualWindow(job.budget()), scene.notices::add)) {
        Proto.JobProgress end = caller.finished(caller.accepted(job));
        assertThat(end.getState()).as("%s", end).isEqualTo("done");
      }
    }
  }

  @Test
  void whoIsRefutedLosesATenthOfItsBondForEachResultOnce() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1)) {
      ChainLab lab = scene.lab.orElseThrow();
      Key patron = Key.generate();
      Collateral collateral = bonded(lab, scene, liar, patron);
      scene.fund(scene.consumerKey.address(), 50_000_000);
      try (PuppetProvider first = new PuppetProvider(scene.node.port(), Key.generate());
          PuppetProvider second = new PuppetProvider(scene.node.port(), Key.generate());
          PuppetProvider third = new PuppetProvider(scene.node.port(), Key.generate());
          PuppetProvider bad = new PuppetProvider(scene.node.port(), liar, 64, 64L << 30)) {
        bad.joined();
        Until.holds(() -> view(scene, liar).bond().amount() == BONDED);
        assertThat(view(scene, liar).bond().funder()).contains(patron.address());
        for (PuppetProvider honest : List.of(first, second, third)) {
          honest.joined();
          honest.working();
        }
        lie(bad);
        runJob(scene);
        Until.holds(() -> view(scene, liar).trust().refuted() > 0);
        Until.holds(() -> view(scene, liar).owes().isEmpty());
        long results = view(scene, liar).trust().refuted();
        long left = BONDED;
        for (long i = 0; i < results; i++) {
          left -= Math.ceilDiv(left * Bond.TAKEN_PERMILLE, 1_000);
        }
        long expected = left;
        Until.holds(() -> view(scene, liar).bond().amount() == expected);
        Address arbiter = scene.node.address();
        assertThat(collateral.valueOf(liar.address(), arbiter, At.latest())).isEqualTo(expected);
        assertThat(view(scene, liar).trust().distrusted()).isTrue();
        String why = scene.node.mill().ask(pool -> pool.why(liar.address(), 1_000)).sentence();
        assertThat(why).contains("gets no work").contains("are bonded for it");

        // A pool that knows nothing any more of what it sent takes nothing twice.
        ProviderView seen = view(scene, liar);
        List<Hash> evidence = new ArrayList<>();
        for (long entry = 0; entry < scene.node.mill().records().count(); entry++) {
          evidence.add(scene.node.mill().records().tree().leaf(entry));
        }
        long of = evidence.indexOf(slashed(lab));
        assertThat(of).as("the evidence is a record of the pool's log").isNotNegative();
        try (EscrowVault forgetful =
            EscrowVault.open(
                lab.terms(1, 1).chain().orElseThrow(),
                scene.poolKey,
                folder.resolve("vault2"),
                InstantSource.system())) {
          Vault.Stakers again =
              new Vault.Stakers(
                  0, List.of(new Vault.Staker(liar.address(), seen.bond(), List.of(of))));
          List<Command> told = new ArrayList<>();
          Until.holds(() -> {
            try {
              told.addAll(forgetful.bonds(again, i -> evidence.get((int) i)).commands());
            } catch (Vault.Trouble e) {
              throw new AssertionError(e);
            }
            return !told.isEmpty();
          });
          assertThat(told).containsExactly(new Command.SeePenalty(liar.address(), of));
          assertThat(collateral.valueOf(liar.address(), arbiter, At.latest())).isEqualTo(expected);
        }
      }
      scene.booksAddUp();
    }
  }

  @Test
  void whoTakesItsBondBackHasNothingAtStake() throws Exception {
    try (MoneyScene scene = new MoneyScene(folder, MoneyScene.Ledger.ESCROW, 1)) {
      ChainLab lab = scene.lab.orElseThrow();
      Key honest = Key.generate();
      Collateral collateral = bonded(lab, scene, honest, honest);
      try (PuppetProvider puppet = new PuppetProvider(scene.node.port(), honest)) {
        puppet.joined();
        Until.holds(() -> view(scene, honest).bond().amount() == BONDED);
        lab.doneBy(
            honest,
            folder,
            collateral.unbond(honest.address(), scene.node.address(), 0, BONDED - 7));
        Until.holds(() -> view(scene, honest).bond().amount() == 7);
        Bond bond = view(scene, honest).bond();
        assertThat(bond.funder()).isEqualTo(Optional.of(honest.address()));
        scene.restart();
        assertThat(view(scene, honest).bond()).isEqualTo(bond);
      }
    }
  }
}
