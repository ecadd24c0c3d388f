"""The function that reserves writes its movements before it locks a level, not while it holds it."""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION stock_reserve(
    order_to_hold uuid, wanted jsonb, operation uuid, caller text, moment timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stock_reservation (order_id, state, lines, created_at, changed_at)
    VALUES (order_to_hold, 'reserved', wanted, moment, moment)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO stock_movement (operation_id, line, sku, kind, on_hand_delta, reserved_delta,
                                order_id, reason, by, at)
    SELECT operation, number - 1, line->>0, 'reserved', 0, (line->1)::bigint,
           order_to_hold, '', caller, moment
    FROM jsonb_array_elements(wanted) WITH ORDINALITY AS lines(line, number);
    FOR line IN 0 .. jsonb_array_length(wanted) - 1 LOOP
        UPDATE stock_level SET reserved = reserved + (wanted->line->1)::bigint
        WHERE sku = wanted->line->>0 AND on_hand - reserved >= (wanted->line->1)::bigint;
        CONTINUE WHEN FOUND;
        FOR taken IN 0 .. line - 1 LOOP
            UPDATE stock_level SET reserved = reserved - (wanted->taken->1)::bigint
            WHERE sku = wanted->taken->>0;
        END LOOP;
        DELETE FROM stock_movement WHERE operation_id = operation;
        DELETE FROM stock_reservation WHERE order_id = order_to_hold;
        RETURN false;
    END LOOP;
    RETURN true;
END $$
"""


def replace(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FUNCTION)


class Migration(migrations.Migration):
    dependencies = [("stock", "0002_reserve_in_one_call")]

    # Back to 0002, this function stays: it does the same.
    operations = [migrations.RunPython(replace, migrations.RunPython.noop)]
