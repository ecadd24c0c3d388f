"""On PostgreSQL, a function that reserves: SqlStore.reserve says what it is for."""

from django.db import migrations

FUNCTION = """
CREATE FUNCTION stock_reserve(
    order_to_hold uuid, wanted jsonb, operation uuid, caller text, moment timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    taken integer := 0;
BEGIN
    INSERT INTO stock_reservation (order_id, state, lines, created_at, changed_at)
    VALUES (order_to_hold, 'reserved', wanted, moment, moment)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    FOR line IN 0 .. jsonb_array_length(wanted) - 1 LOOP
        UPDATE stock_level SET reserved = reserved + (wanted->line->1)::bigint
        WHERE sku = wanted->line->>0 AND on_hand - reserved >= (wanted->line->1)::bigint;
        EXIT WHEN NOT FOUND;
        taken := taken + 1;
    END LOOP;
    IF taken < jsonb_array_length(wanted) THEN
        FOR line IN 0 .. taken - 1 LOOP
            UPDATE stock_level SET reserved = reserved - (wanted->line->1)::bigint
            WHERE sku = wanted->line->>0;
        END LOOP;
        DELETE FROM stock_reservation WHERE order_id = order_to_hold;
        RETURN false;
    END IF;
    INSERT INTO stock_movement (operation_id, line, sku, kind, on_hand_delta, reserved_delta,
                                order_id, reason, by, at)
    SELECT operation, number - 1, line->>0, 'reserved', 0, (line->1)::bigint,
           order_to_hold, '', caller, moment
    FROM jsonb_array_elements(wanted) WITH ORDINALITY AS lines(line, number);
    RETURN true;
END $$
"""


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION stock_reserve")


class Migration(migrations.Migration):
    dependencies = [("stock", "0001_initial")]

    operations = [migrations.RunPython(create, drop)]
