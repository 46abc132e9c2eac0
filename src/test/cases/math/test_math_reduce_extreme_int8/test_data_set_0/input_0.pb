J"
'Vj<nu<krg&