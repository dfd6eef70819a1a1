package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.chain.At;
import dev.perseid.chain.Call;
import dev.perseid.chain.Collateral;
import dev.perseid.chain.Registry;
import dev.perseid.core.Address;
import dev.perseid.core.Bond;
import dev.perseid.core.Command;
import dev.perseid.core.Hash;
import dev.perseid.settle.Key;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What a pool takes of bonds, on a real chain, when what it sends fails, waits, or cannot be paid
/// for.
class BondKeeperTest {
  private static final long BONDED = 100_000_000;

  /// The opcode INVALID: takes all gas and says nothing.
  private static final byte[] BROKEN = {(byte) 0xfe};

  @TempDir Path folder;

  private final Key pool = Key.generate();
  private final Key provider = Key.generate();

  private ChainLab lab() throws Exception {
    ChainLab lab = new ChainLab(folder);
    lab.register(pool, folder);
    lab.doneBy(
        provider,
        folder,
        new Registry(lab.local.chain(), lab.deployment.registry())
            .register(Registry.PROVIDER, Address.ZERO, "", Hash.ZERO));
    return lab;
  }

  private static Collateral collateral(ChainLab lab) {
    return new Collateral(lab.local.chain(), lab.deployment.collateral());
  }

  private void bond(ChainLab lab, long amount) throws Exception {
    lab.done(lab.token.mint(provider.address(), amount));
    lab.doneBy(provider, folder, lab.token.approve(lab.deployment.collateral(), amount));
    lab.doneBy(
        provider, folder, collateral(lab).bond(provider.address(), pool.address(), 0, amount));
  }

  private EscrowVault vault(ChainLab lab) throws Exception {
    return EscrowVault.open(
        lab.terms(1, 1).chain().orElseThrow(),
        pool,
        folder.resolve("vault"),
        InstantSource.system());
  }

  /// One look, when the core believes that so much is bonded.
  private Vault.Bonds look(EscrowVault vault, long believed, long... owes) {
    Bond bond =
        new Bond(believed, believed == 0 ? Optional.empty() : Optional.of(provider.address()), 1);
    try {
      return vault.bonds(new Vault.Stakers(0, List.of(staker(bond, owes))), BondKeeperTest::leaf);
    } catch (Vault.Trouble e) {
      throw new AssertionError(e);
    }
  }

  private Vault.Staker staker(Bond bond, long... owes) {
    return new Vault.Staker(provider.address(), bond, LongStream.of(owes).boxed().toList());
  }

  private static Hash leaf(long entry) {
    return new Hash(1, 2, 3, entry);
  }

  private Command paid(long entry) {
    return new Command.SeePenalty(provider.address(), entry);
  }

  private Command seen(long amount) {
    return new Command.SeeBond(provider.address(), amount, Optional.of(provider.address()));
  }

  private long there(ChainLab lab) throws Exception {
    return collateral(lab).valueOf(provider.address(), pool.address(), At.latest());
  }

  @Test
  void whatFailsInItsBlockIsSentAgain() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED);
      assertThat(look(vault, 0).commands()).containsExactly(seen(BONDED));
      lab.local.automine(false);
      assertThat(look(vault, BONDED, 7)).isEqualTo(Vault.Bonds.NONE);
      Address address = lab.deployment.collateral();
      byte[] code = lab.local.chain().code(address, At.latest());
      lab.local.code(address, BROKEN);
      lab.local.mine(1);
      lab.local.code(address, code);
      assertThat(look(vault, BONDED, 7)).as("sent anew").isEqualTo(Vault.Bonds.NONE);
      lab.local.mine(1);
      Vault.Bonds done = look(vault, BONDED, 7);
      assertThat(done.commands()).containsExactly(seen(BONDED / 10 * 9), paid(7));
      assertThat(done.gas()).isPositive();
      assertThat(done.trouble()).isEmpty();
    }
  }

  @Test
  void whatIsLeavingIsTakenTooAndWhatIsTooLittleIsLeftAlone() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, 2 * Bond.LEAST);
      Address who = provider.address();
      lab.doneBy(provider, folder, collateral(lab).unbond(who, pool.address(), 0, 2 * Bond.LEAST));
      // All has been asked back: it counts for nothing, and is taken all the same.
      List<Command> told = new ArrayList<>();
      Until.holds(() -> {
        told.addAll(look(vault, 0, 7).commands());
        return !told.isEmpty();
      });
      assertThat(told).containsExactly(paid(7));
      assertThat(collateral(lab).bond(who, pool.address(), 0, At.latest()).leaving())
          .isEqualTo(2 * Bond.LEAST / 10 * 9);
      for (int i = 0; i < 7; i++) {
        lab.doneBy(pool, folder.resolve("elsewhere" + i), slash(lab, i));
      }
      assertThat(collateral(lab).bond(who, pool.address(), 0, At.latest()).leaving())
          .isLessThan(Bond.LEAST);
      Vault.Bonds little = look(vault, 0, 8, 9);
      assertThat(little.commands()).containsExactly(paid(8), paid(9));
      assertThat(little.gas()).as("nothing was sent").isZero();
    }
  }

  private Call slash(ChainLab lab, int n) throws Exception {
    Files.createDirectories(folder.resolve("elsewhere" + n));
    return collateral(lab)
        .slash(provider.address(), Bond.TAKEN_PERMILLE, new Hash(5, 5, 5, n), pool.address());
  }

  @Test
  void fewAreUnderWayAtOnceSoThatSettlementsAreSentToo() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED);
      look(vault, 0);
      lab.local.automine(false);
      long[] owes = LongStream.range(0, MoneyLimits.PENALTIES + 4).toArray();
      look(vault, BONDED, owes);
      look(vault, BONDED, owes);
      assertThat(vault.chain().outbox().pending()).hasSize(MoneyLimits.PENALTIES);
      lab.local.mine(1);
      lab.local.automine(true);
      List<Command> told = new ArrayList<>(look(vault, BONDED, owes).commands());
      assertThat(told).contains(paid(0), paid(MoneyLimits.PENALTIES - 1));
      Until.holds(() -> {
        told.addAll(look(vault, BONDED, owes).commands());
        return told.contains(paid(MoneyLimits.PENALTIES + 3));
      });
      long left = BONDED;
      for (int i = 0; i < owes.length; i++) {
        left -= Math.ceilDiv(left * Bond.TAKEN_PERMILLE, 1_000);
      }
      assertThat(there(lab)).isEqualTo(left);
    }
  }

  @Test
  void whatGasIsNeededForSettlementsIsLeft() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED);
      // Enough for a slashing, but not for a settlement after it.
      lab.local.fund(pool.address(), BigInteger.TEN.pow(15));
      Vault.Bonds poor = look(vault, 0, 7);
      assertThat(poor.commands()).as("what is there is told").containsExactly(seen(BONDED));
      assertThat(poor.trouble()).contains("cannot be taken of bonds").contains("send it some");
      assertThat(vault.chain().outbox().pending()).isEmpty();
      lab.local.fund(pool.address(), BigInteger.TEN.pow(18));
      List<Command> told = new ArrayList<>();
      Until.holds(() -> {
        Vault.Bonds richer = look(vault, BONDED, 7);
        assertThat(richer.trouble()).isEmpty();
        told.addAll(richer.commands());
        return told.contains(paid(7));
      });
      assertThat(there(lab)).isEqualTo(BONDED / 10 * 9);
    }
  }

  @Test
  void beforeItIsKnownWhoPaidABondCanBecomeLessButNotMore() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED - 70);
      lab.done(lab.token.mint(provider.address(), 70));
      lab.doneBy(provider, folder, lab.token.approve(lab.deployment.collateral(), 70));
      for (int i = 0; i < 70; i++) { // in more blocks than one look asks about
        lab.doneBy(
            provider, folder, collateral(lab).bond(provider.address(), pool.address(), 0, 1));
      }
      assertThat(look(vault, 0)).isEqualTo(Vault.Bonds.NONE);
      assertThat(look(vault, 0).commands()).containsExactly(seen(BONDED));
      try (EscrowVault again =
          EscrowVault.open(
              lab.terms(1, 1).chain().orElseThrow(),
              pool,
              folder.resolve("vault2"),
              InstantSource.system())) {
        assertThat(look(again, 2 * BONDED).commands()).containsExactly(seen(BONDED));
      }
    }
  }

  @Test
  void aNodeThatIsBehindWhatTheBooksHaveSeenIsNotBelievedEither() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED);
      Vault.Stakers later = new Vault.Stakers(1_000_000, List.of(staker(Bond.NONE, 7)));
      Vault.Bonds behind = vault.bonds(later, BondKeeperTest::leaf);
      assertThat(behind.commands()).isEmpty();
      assertThat(behind.trouble()).contains("was at block 1000000 before");
    }
  }

  @Test
  void littleChangesAreNoNews() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      bond(lab, BONDED);
      assertThat(look(vault, 0).commands()).containsExactly(seen(BONDED));
      bond(lab, BONDED / 100);
      assertThat(look(vault, BONDED)).isEqualTo(Vault.Bonds.NONE);
      bond(lab, 1);
      assertThat(look(vault, BONDED).commands()).containsExactly(seen(BONDED / 100 * 101 + 1));
    }
  }

  @Test
  void otherChainsAndNodesThatAreBehindAreNotBelieved() throws Exception {
    try (ChainLab lab = lab();
        EscrowVault vault = vault(lab)) {
      String before = lab.local.keep();
      bond(lab, BONDED);
      assertThat(look(vault, 0).commands()).containsExactly(seen(BONDED));
      lab.local.restore(before);
      Vault.Bonds behind = look(vault, BONDED, 7);
      assertThat(behind.commands()).isEmpty();
      assertThat(behind.trouble()).contains("bonds are seen to when it is there again");
      lab.local.mine(10);
      assertThat(look(vault, BONDED, 7).commands())
          .containsExactly(new Command.SeeBond(provider.address(), 0, Optional.empty()), paid(7));
    }
  }
}
