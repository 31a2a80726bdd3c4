//! The tables as diesel sees them, one list for both databases.
//!
//! Amounts are minor units, times microseconds since 1970 UTC, dates days since 1970-01-01.
//! A test compares this list with the migrated schema of both databases.
#![allow(missing_docs)] // the columns are explained in migrations/

diesel::table! {
    log_state (id) {
        id -> SmallInt,
        origin -> Text,
        epoch -> BigInt,
        size -> BigInt,
        root -> Binary,
        recorded_at -> BigInt,
        states_from -> BigInt,
    }
}

diesel::table! {
    forwards (name) {
        name -> Text,
        next_seq -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        failing_since -> Nullable<BigInt>,
        failures -> BigInt,
        last_error -> Nullable<Text>,
    }
}

diesel::table! {
    leader (id) {
        id -> SmallInt,
        epoch -> BigInt,
        url -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    entries (seq) {
        seq -> BigInt,
        recorded_at -> BigInt,
        source -> BigInt,
        source_ref -> Text,
        account -> BigInt,
        position -> BigInt,
        prev -> Nullable<BigInt>,
        jump -> Nullable<BigInt>,
        kind -> SmallInt,
        direction -> SmallInt,
        amount -> BigInt,
        currency -> Text,
        balance_before -> Nullable<BigInt>,
        balance_after -> Nullable<BigInt>,
        booked_at -> BigInt,
        value_date -> Nullable<Integer>,
        business_date -> Integer,
        flags -> SmallInt,
        transaction_ref -> Nullable<Text>,
        account_seq -> Nullable<BigInt>,
        context -> BigInt,
        delivery -> BigInt,
        channel -> Nullable<SmallInt>,
        instrument -> Nullable<SmallInt>,
        status -> SmallInt,
        reverses -> Nullable<Text>,
        rules -> BigInt,
        outcomes -> Nullable<Text>,
        blind -> Binary,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        recorded_at -> BigInt,
        kind -> Text,
        body -> Text,
        blind -> Binary,
    }
}

diesel::table! {
    tiles (level, idx) {
        level -> SmallInt,
        idx -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    entry_parts (seq) {
        seq -> BigInt,
        salt -> Binary,
        party -> Nullable<Text>,
        counterparty -> Nullable<Text>,
        counterparty_name -> Nullable<Text>,
        counterparty_country -> Nullable<Text>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    event_parts (seq) {
        seq -> BigInt,
        salt -> Binary,
        body -> Text,
    }
}

diesel::table! {
    index_runs (id) {
        id -> BigInt,
        kind -> SmallInt,
        first_seq -> BigInt,
        last_seq -> BigInt,
        entries -> BigInt,
        pages -> BigInt,
        ready -> SmallInt,
    }
}

diesel::table! {
    index_pages (run, page) {
        run -> BigInt,
        page -> BigInt,
        first_key -> BigInt,
        data -> Binary,
    }
}

diesel::table! {
    sources (id) {
        id -> BigInt,
        name -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    accounts (id) {
        id -> BigInt,
        source -> BigInt,
        number -> Text,
        currency -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    contexts (id) {
        id -> BigInt,
        source -> BigInt,
        session_id -> Nullable<Text>,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        device_id -> Nullable<Text>,
        actor -> Nullable<Text>,
        actor_kind -> Nullable<SmallInt>,
        fingerprint -> BigInt,
    }
}

diesel::table! {
    deliveries (id) {
        id -> BigInt,
        source -> BigInt,
        kind -> Text,
        api_key -> Nullable<BigInt>,
        origin -> Nullable<Text>,
        started_at -> BigInt,
        fingerprint -> BigInt,
    }
}

diesel::table! {
    rule_sets (id) {
        id -> BigInt,
        version -> BigInt,
        body -> Text,
        recorded_at -> BigInt,
    }
}

diesel::table! {
    account_states (account) {
        account -> BigInt,
        as_of -> BigInt,
        body -> Binary,
    }
}

diesel::table! {
    reversals (seq) {
        seq -> BigInt,
        source -> BigInt,
        reference -> Text,
    }
}

diesel::table! {
    asides (seq) {
        seq -> BigInt,
        account -> BigInt,
        late_at -> Nullable<BigInt>,
        reached -> Nullable<BigInt>,
        reached_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    breaks (seq, kind) {
        seq -> BigInt,
        kind -> SmallInt,
        account -> BigInt,
        currency -> Text,
        state -> SmallInt,
        expected -> Nullable<BigInt>,
        found -> Nullable<BigInt>,
        business_date -> Integer,
        opened_by -> BigInt,
        opened_at -> BigInt,
        due_at -> BigInt,
        closed_by -> Nullable<BigInt>,
        alert -> Nullable<BigInt>,
    }
}

diesel::table! {
    day_figures (business_date, source, currency, kind, status, hour) {
        business_date -> Integer,
        source -> BigInt,
        currency -> Text,
        kind -> SmallInt,
        status -> SmallInt,
        hour -> BigInt,
        entries -> BigInt,
        credits -> BigInt,
        debits -> BigInt,
    }
}

diesel::table! {
    day_ranges (business_date, first_seq) {
        business_date -> Integer,
        first_seq -> BigInt,
        last_seq -> BigInt,
        entries -> BigInt,
    }
}

diesel::table! {
    feed_closings (seq, currency) {
        seq -> BigInt,
        source -> BigInt,
        business_date -> Integer,
        currency -> Text,
        entries -> BigInt,
        debits -> BigInt,
        credits -> BigInt,
        received_at -> BigInt,
    }
}

diesel::table! {
    day_refusals (business_date, source, code) {
        business_date -> Integer,
        source -> BigInt,
        code -> Text,
        rows -> BigInt,
    }
}

diesel::table! {
    import_runs (digest) {
        digest -> Text,
        source -> Text,
        rows_done -> BigInt,
        recorded -> BigInt,
        duplicates -> BigInt,
        rejected -> BigInt,
        hits -> BigInt,
        state -> Text,
        started_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    hits (seq, rule) {
        seq -> BigInt,
        rule -> Text,
        rules -> BigInt,
        account -> BigInt,
        business_date -> Integer,
        severity -> SmallInt,
        late -> SmallInt,
        decided_by -> BigInt,
        alert -> Nullable<BigInt>,
        evidence -> Text,
    }
}

diesel::table! {
    alerts (id) {
        id -> BigInt,
        reference -> Text,
        rule -> Text,
        rules -> BigInt,
        account -> BigInt,
        severity -> SmallInt,
        state -> SmallInt,
        business_date -> Integer,
        opened_at -> BigInt,
        first_booked_at -> BigInt,
        last_seq -> BigInt,
        hits -> BigInt,
        explanation -> Text,
        previous -> Nullable<BigInt>,
        disposition -> Nullable<Text>,
        comment -> Nullable<Text>,
        duplicate_of -> Nullable<Text>,
        closed_at -> Nullable<BigInt>,
        closed_by -> Nullable<BigInt>,
        closed_seq -> Nullable<BigInt>,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        kind -> Text,
        about -> BigInt,
        recipient -> Text,
        severity -> SmallInt,
        state -> SmallInt,
        created_at -> BigInt,
        not_before -> BigInt,
        attempts -> Integer,
        last_error -> Nullable<Text>,
        message_id -> Nullable<Text>,
        done_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    mail_groups (recipient, kind) {
        recipient -> Text,
        kind -> Text,
        held_until -> BigInt,
        severity -> SmallInt,
    }
}

diesel::table! {
    users (id) {
        id -> BigInt,
        email -> Text,
        role -> Text,
        password_hash -> Text,
        state -> SmallInt,
        created_at -> BigInt,
        failures -> Integer,
    }
}

diesel::table! {
    sessions (token_hash) {
        token_hash -> Binary,
        user_id -> BigInt,
        csrf -> Text,
        created_at -> BigInt,
        seen_at -> BigInt,
        ip -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    searches (id) {
        id -> Text,
        user_id -> BigInt,
        kind -> Text,
        query -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> BigInt,
        source -> BigInt,
        prefix -> Text,
        secret_hash -> Binary,
        scopes -> Text,
        state -> SmallInt,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    reports (business_date, version) {
        business_date -> Integer,
        version -> Integer,
        status -> Text,
        seq -> BigInt,
        seq_from -> BigInt,
        seq_to -> BigInt,
        computed_at -> BigInt,
        body -> Text,
        html -> Text,
        body_sha256 -> Text,
        html_sha256 -> Text,
    }
}

diesel::table! {
    jobs (name) {
        name -> Text,
        started_at -> BigInt,
        finished_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    inbox (id) {
        id -> BigInt,
        created_at -> BigInt,
        request -> Text,
        answer -> Nullable<Text>,
        answered_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    checkpoints (number) {
        number -> BigInt,
        size -> BigInt,
        root -> Binary,
        signed_at -> BigInt,
        note -> Text,
    }
}

diesel::table! {
    anchors (id) {
        id -> BigInt,
        kind -> Text,
        size -> BigInt,
        signed_at -> BigInt,
        returned_at -> BigInt,
    }
}

diesel::table! {
    erasures (id) {
        id -> BigInt,
        cause -> Text,
        proposal -> Nullable<BigInt>,
        again -> Nullable<BigInt>,
        places -> BigInt,
        digest -> Text,
        erased_at -> BigInt,
    }
}

diesel::table! {
    erased (event, first_seq) {
        event -> BigInt,
        first_seq -> BigInt,
        last_seq -> BigInt,
    }
}

diesel::table! {
    holds (id) {
        id -> BigInt,
        scope -> Text,
        subject -> Nullable<Text>,
        account -> Nullable<BigInt>,
        placed_at -> BigInt,
        released_at -> Nullable<BigInt>,
        released_seq -> Nullable<BigInt>,
    }
}

diesel::table! {
    recovery_keys (id) {
        id -> BigInt,
        name -> Text,
        public_key -> Binary,
        challenge -> Binary,
        answer -> Text,
        made_at -> BigInt,
        tested_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    data_keys (id) {
        id -> BigInt,
        month -> Integer,
        master -> Text,
        wrapped -> Binary,
        recovery -> Text,
        recovery_wrapped -> Binary,
        made_at -> BigInt,
    }
}

diesel::table! {
    sealed_parts (seq) {
        seq -> BigInt,
        data_key -> BigInt,
        fields -> SmallInt,
        nonce -> Binary,
        sealed -> Binary,
    }
}

diesel::table! {
    proposals (id) {
        id -> BigInt,
        kind -> Text,
        about -> Text,
        facts -> Text,
        reason -> Nullable<Text>,
        detail -> Nullable<Text>,
        submitted_by -> Nullable<BigInt>,
        submitted_at -> BigInt,
        whence -> Nullable<Text>,
        state -> SmallInt,
        expires_at -> BigInt,
        first_by -> Nullable<BigInt>,
        first_at -> Nullable<BigInt>,
        first_seq -> Nullable<BigInt>,
        first_comment -> Nullable<Text>,
        approved_by -> Nullable<BigInt>,
        approved_at -> Nullable<BigInt>,
        approved_seq -> Nullable<BigInt>,
        approved_comment -> Nullable<Text>,
        ready_at -> Nullable<BigInt>,
        ended_by -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        ended_seq -> Nullable<BigInt>,
        ended_comment -> Nullable<Text>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    generations (first_seq) {
        first_seq -> BigInt,
        origin -> Text,
    }
}

diesel::table! {
    key_rotations (id) {
        id -> BigInt,
        origin -> Text,
        size -> BigInt,
        old_key -> Text,
        new_key -> Text,
        note -> Text,
    }
}

diesel::table! {
    records (id) {
        id -> BigInt,
        source -> BigInt,
        kind -> Text,
        reference -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    record_changes (seq) {
        seq -> BigInt,
        record -> BigInt,
        version -> BigInt,
        source -> BigInt,
        source_ref -> Nullable<Text>,
        action -> SmallInt,
        class -> SmallInt,
        changed_at -> BigInt,
        effective_at -> BigInt,
        recorded_at -> BigInt,
        fields -> Integer,
        actor -> Nullable<Text>,
        restores -> Nullable<BigInt>,
    }
}

diesel::table! {
    record_fields (seq, n) {
        seq -> BigInt,
        n -> Integer,
        path -> Text,
        old -> Nullable<Text>,
        new -> Nullable<Text>,
        old_digest -> Nullable<Text>,
        new_digest -> Nullable<Text>,
        salt -> Nullable<Binary>,
        data_key -> Nullable<BigInt>,
        nonce -> Nullable<Binary>,
        sealed -> Nullable<Binary>,
    }
}

diesel::table! {
    record_snapshots (record, version) {
        record -> BigInt,
        version -> BigInt,
        body -> Text,
    }
}

diesel::table! {
    record_breaks (seq) {
        seq -> BigInt,
        record -> BigInt,
        fields -> Integer,
        state -> SmallInt,
        business_date -> Integer,
        opened_at -> BigInt,
        closed_by -> Nullable<BigInt>,
    }
}

diesel::table! {
    acts (id) {
        id -> BigInt,
        user_id -> Nullable<BigInt>,
        act -> Text,
        attempted_at -> BigInt,
        outcome -> SmallInt,
        status -> Nullable<SmallInt>,
        ended_at -> Nullable<BigInt>,
        ended_seq -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    forwards,
    log_state,
    asides,
    reversals,
    entries,
    events,
    tiles,
    entry_parts,
    event_parts,
    index_runs,
    index_pages,
    sources,
    accounts,
    contexts,
    deliveries,
    rule_sets,
    account_states,
    breaks,
    day_figures,
    day_ranges,
    feed_closings,
    day_refusals,
    import_runs,
    hits,
    alerts,
    outbox,
    mail_groups,
    users,
    sessions,
    searches,
    api_keys,
    reports,
    jobs,
    inbox,
    checkpoints,
    anchors,
    erasures,
    erased,
    holds,
    recovery_keys,
    data_keys,
    sealed_parts,
    proposals,
    generations,
    key_rotations,
    records,
    record_changes,
    record_fields,
    record_snapshots,
    record_breaks,
    acts,
);
