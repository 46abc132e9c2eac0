
J<@BB@.7BN'+<FHQP/OLO&.\Ce.4f5.; Y=;H*F:'H<OD:H9.?KJ1=SH-kL