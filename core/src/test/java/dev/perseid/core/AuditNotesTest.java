package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What a pool knows by audits, and what pays for them.
final class AuditNotesTest {
  private static final Address READER = Sample.provider(7);
  private static final Address THIRD = Sample.provider(8);
  private static final Address PURSE = new Address(9, 9, 9);

  private final Fixture f = new Fixture();
  private final Model model = ModelSample.model(1);

  AuditNotesTest() {
    assertThat(f.run(ModelSample.publish(model))).hasSize(1);
  }

  static AuditNote note(
      int provider, Hash model, Address reader, Standing standing, long audits, long... tests) {
    return new AuditNote(
        Sample.provider(provider),
        model,
        reader,
        "req_" + audits,
        AuditKind.CANARY,
        List.of(new AuditNote.Weighed("margin", 50, 1_234_567)),
        standing,
        standing == Standing.CHEATING ? "margin" : "",
        audits,
        50 * audits,
        java.util.Arrays.stream(tests).boxed().toList());
  }

  private AuditNote note(Address reader, Standing standing, long audits) {
    return note(1, model.manifest(), reader, standing, audits, -1, 0, Long.MIN_VALUE);
  }

  private void add(AuditNote note) {
    assertThat(f.run(new Command.RecordAudit(note)))
        .containsExactly(new Event.Audited(note, f.nowUs));
  }

  private void refused(Command c, Rejection.Code code, String message) {
    Rejection r = f.refused(c);
    assertThat(r.message()).contains(message);
    assertThat(r.code()).isEqualTo(code);
  }

  private Standing standing(Pool pool) {
    return AuditNote.standing(Sample.POOL, pool.audited(Sample.provider(1), model.manifest()));
  }

  private static Pool restored(Pool pool) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    pool.snapshot(new DataOutputStream(out));
    return Pool.restore(new DataInputStream(new ByteArrayInputStream(out.toByteArray())));
  }

  @Test
  void whatIsKnownSurvivesTheLogAndTheSnapshot() throws IOException {
    List<Event> log = new ArrayList<>(f.run(ModelSample.publish(ModelSample.model(2))));
    Pool replayed = restored(f.pool);
    AuditNote caught = note(Sample.POOL, Standing.CHEATING, 2);
    for (AuditNote n :
        List.of(note(Sample.POOL, Standing.HONEST, 1), caught, note(READER, Standing.HONEST, 1))) {
      log.addAll(f.run(new Command.RecordAudit(n)));
    }
    assertThat(standing(f.pool)).isEqualTo(Standing.CHEATING);
    List<Event> read = EventCodec.decode(EventCodec.encode(log));
    assertThat(read).isEqualTo(log);
    read.stream()
        .filter(e -> e instanceof Event.Audited)
        .forEach(e -> replayed.apply(e, new ArrayList<>()));
    assertThat(replayed.digest()).isEqualTo(f.pool.digest());
    Pool restored = restored(f.pool);
    assertThat(restored.digest()).isEqualTo(f.pool.digest());
    assertThat(restored.audited()).isEqualTo(f.pool.audited()).hasSize(2).contains(caught);
    assertThat(standing(restored)).isEqualTo(Standing.CHEATING);
  }

  @Test
  void oneReadersWordAccusesAndTwoOrThePoolsOwnConvict() {
    assertThat(standing(f.pool)).isEqualTo(Standing.UNDECIDED);
    add(note(Sample.POOL, Standing.HONEST, 1));
    assertThat(standing(f.pool)).isEqualTo(Standing.HONEST);
    add(note(READER, Standing.CHEATING, 1));
    assertThat(standing(f.pool)).isEqualTo(Standing.ACCUSED);
    add(note(THIRD, Standing.UNDECIDED, 1));
    assertThat(standing(f.pool)).isEqualTo(Standing.ACCUSED);
    add(note(THIRD, Standing.CHEATING, 2));
    assertThat(standing(f.pool)).isEqualTo(Standing.CHEATING);
    assertThat(
            AuditNote.standing(
                Sample.POOL,
                List.of(note(READER, Standing.HONEST, 1), note(Sample.POOL, Standing.CHEATING, 1))))
        .isEqualTo(Standing.CHEATING);
  }

  @Test
  void wrongNotesAreRefused() {
    add(note(Sample.POOL, Standing.UNDECIDED, 1));
    refused(
        new Command.RecordAudit(note(Sample.POOL, Standing.UNDECIDED, 1)),
        Rejection.Code.STALE,
        "does not follow the newest one");
    refused(
        new Command.RecordAudit(note(Sample.POOL, Standing.UNDECIDED, 3)),
        Rejection.Code.STALE,
        "does not follow the newest one");
    refused(
        new Command.RecordAudit(note(Sample.provider(1), Standing.UNDECIDED, 1)),
        Rejection.Code.INVALID,
        "nobody reads its own");
    refused(
        new Command.RecordAudit(note(READER, Standing.ACCUSED, 1)),
        Rejection.Code.INVALID,
        "accuse nobody");
    refused(
        new Command.RecordAudit(note(1, Sample.hash(77), READER, Standing.UNDECIDED, 1)),
        Rejection.Code.INVALID,
        "no model");
    refused(
        new Command.RecordAudit(
            note(1, model.manifest(), READER, Standing.UNDECIDED, 1, new long[257])),
        Rejection.Code.INVALID,
        "256 numbers");
    add(note(Sample.POOL, Standing.CHEATING, 2));
    refused(
        new Command.RecordAudit(note(Sample.POOL, Standing.HONEST, 3)),
        Rejection.Code.ENDED,
        "caught already");
  }

  @Test
  void theLeastRecentAreForgottenAndCheatsAreNot() {
    add(note(0, model.manifest(), Sample.POOL, Standing.CHEATING, 1));
    for (int i = 1; i <= Limits.CONDUCTS; i++) {
      add(note(i, model.manifest(), Sample.POOL, Standing.UNDECIDED, 1));
    }
    assertThat(f.pool.audited()).hasSize(Limits.CONDUCTS);
    assertThat(f.pool.audited(Sample.provider(0), model.manifest())).hasSize(1);
    assertThat(f.pool.audited(Sample.provider(1), model.manifest())).isEmpty();
    for (int i = 0; i < Limits.AUDIT_READERS - 1; i++) {
      add(note(2, model.manifest(), Sample.provider(100 + i), Standing.UNDECIDED, 1));
    }
    refused(
        new Command.RecordAudit(note(2, model.manifest(), READER, Standing.UNDECIDED, 1)),
        Rejection.Code.OVERLOADED,
        "8 readers");
  }

  @Test
  void auditsArePaidByThePoolItself() {
    refused(
        new Command.FundAudits(PURSE, 10, 50),
        Rejection.Code.INSUFFICIENT_CREDITS,
        "pool's own account");
    f.run(new Command.Grant(Sample.POOL, 30, "for audits"));
    refused(new Command.FundAudits(Sample.ALICE, 10, 50), Rejection.Code.FORBIDDEN, "somebody's");
    refused(new Command.FundAudits(PURSE, 0, 50), Rejection.Code.INVALID, "write 1 or more");
    assertThat(f.run(new Command.FundAudits(PURSE, 10, 50)))
        .containsExactly(new Event.AuditsFunded(PURSE, 30, f.nowUs));
    assertThat(f.pool.balance(Sample.POOL)).isZero();
    assertThat(f.pool.auditAccounts()).containsExactly(PURSE);
    f.run(new Command.FillTab(PURSE, 20));
    refused(new Command.CloseAudits(PURSE), Rejection.Code.INVALID, "empty it first");
    f.run(new Command.EmptyTab(PURSE));
    assertThat(f.run(new Command.CloseAudits(PURSE)))
        .containsExactly(new Event.AuditsClosed(PURSE, 30, f.nowUs));
    refused(new Command.CloseAudits(PURSE), Rejection.Code.UNKNOWN, "not paid out of");
    refused(new Command.CloseAudits(Sample.ALICE), Rejection.Code.UNKNOWN, "not paid out of");
    assertThat(f.pool.balance(Sample.POOL)).isEqualTo(30);
    assertThat(f.pool.auditAccounts()).isEmpty();
    assertThat(f.sum()).isZero();
  }
}
